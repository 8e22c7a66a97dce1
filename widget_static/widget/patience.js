// @ts-check
/** The only place that decides whether and when a question is asked again. */

import { Refused, Unreachable } from "./api.js";

const TRIES_MAX = 4;
const WAIT_MS = 700;
/** A longer wait than this is told to the visitor instead of being sat through. */
const WAIT_MAX_MS = 8_000;

/**
 * Asks until there is an answer: again where nobody answered or the server is busy, and no sooner than it says. Only
 * for questions that may be repeated; all of ours carry their id and may.
 * @template Answer
 * @param {() => Promise<Answer>} ask
 * @param {{tries?: number, wait?: (ms: number) => Promise<void>}} [limits]
 * @returns {Promise<Answer>}
 */
export async function patiently(ask, { tries = TRIES_MAX, wait = sleep } = {}) {
  for (let tried = 1; ; tried += 1) {
    try {
      return await ask();
    } catch (problem) {
      const waitMs = waitOf(problem, tried);
      if (tried >= tries || waitMs === null) throw problem;
      await wait(waitMs);
    }
  }
}

/**
 * @param {unknown} problem
 * @param {number} tried
 */
function waitOf(problem, tried) {
  const backoffMs = jittered(WAIT_MS * 2 ** (tried - 1));
  if (problem instanceof Unreachable) return backoffMs;
  if (!(problem instanceof Refused) || (problem.status !== 503 && problem.status !== 429)) return null;
  const asked = problem.retryAfterMs ?? backoffMs;
  return asked > WAIT_MAX_MS ? null : jittered(Math.max(asked, WAIT_MS));
}

/**
 * Spread over half as long again, so that not all widgets come back in the same moment.
 * @param {number} ms
 */
export function jittered(ms) {
  return ms * (1 + Math.random() / 2);
}

/**
 * @param {number} ms
 * @returns {Promise<void>}
 */
export function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

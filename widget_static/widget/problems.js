// @ts-check
/** The only place that says what went wrong, and what to do about it. */

import { Refused, Unreachable } from "./api.js";

/**
 * @param {unknown} problem
 * @param {import("./words.js").Words} words
 * @param {string} [zone]  of times that are named
 */
export function sentenceFor(problem, words, zone) {
  if (problem instanceof Unreachable) return words.say("problem.unreachable");
  if (!(problem instanceof Refused)) throw problem;
  const key = `problem.${problem.code}`;
  const { left, maximum, until } = problem.details;
  if (problem.code === "too_late" && until)
    return words.say("problem.too_late_since", { time: words.moment(Date.parse(until), zone) });
  if (problem.code === "slot_full" && left > 0) return words.say("problem.slot_full_some", { count: left });
  return words.say(words.has(key) ? key : "problem.unknown", { count: maximum ?? 0 });
}

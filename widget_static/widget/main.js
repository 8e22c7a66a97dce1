// @ts-check
/** The only place that builds the widget from its parts and from what the server wrote into the page. */

import { applyAccent } from "./accent.js";
import { Api } from "./api.js";
import { Availability } from "./availability.js";
import { ServerClock } from "./clock.js";
import { Feed } from "./feed.js";
import { passOverHasty } from "./hasty.js";
import { Host } from "./host.js";
import { Page } from "./page.js";
import { Visit } from "./visit.js";
import { fetchWords, knownLocale } from "./words.js";

/** So long after the page was opened what it says of services is as good as new. */
const LIST_MS = 5_000;
const THEMES = ["auto", "light", "dark"];

async function start() {
  const root = /** @type {HTMLElement} */ (document.getElementById("widget"));
  const boot = JSON.parse(document.getElementById("boot")?.textContent ?? "");
  const asked = new URLSearchParams(location.search);
  const html = document.documentElement;
  passOverHasty(window);
  const repaint = applyAccent(boot.site.accent, () => html.dataset.theme ?? "auto");

  /** @type {import("./host.js").Hello | null} */ let early = null;
  /** @type {Visit | null} */ let visit = null;
  const host = new Host(asked.get("host"), (hello) => {
    if (hello.theme && THEMES.includes(hello.theme)) html.dataset.theme = hello.theme;
    repaint();
    if (visit) void visit.greet(hello);
    else early = hello;
  });
  host.followHeight(document.body);

  const words = await fetchWords(knownLocale(boot.lang, boot.site.locale));
  html.lang = words.locale;
  html.dir = words.direction;
  const clock = new ServerClock();
  const api = new Api(boot.site.key, clock);
  const page = new Page(root);
  const feed = new Feed(
    api.feedUrl,
    {
      onEvent: (kind, data, epoch) => {
        if (kind === "hello") clock.learn(data.server_now);
        else if (kind === "seats") visit?.seatsMoved(data.slots, epoch);
        else if (kind === "schedule") void visit?.scheduleMoved();
        else if (kind === "reset") void visit?.wasReset(data.epoch);
      },
      onPoll: () => void visit?.refresh(),
      onLine: (isLive) => (isLive ? page.calm() : navigator.onLine || page.warn(words.say("problem.offline"))),
    },
    { onlyPolls: asked.get("live") === "poll" },
  );
  let isFollowed = false;
  const availability = new Availability(async (service, range) => {
    const answer = await api.availability(service, range);
    feed.open(answer.feed_id);
    // Until now nobody has told us of changes: whoever was long at the list of services may see one of before.
    if (!isFollowed && performance.now() > LIST_MS) void visit?.servicesMoved();
    isFollowed = true;
    page.calm();
    return answer;
  });
  visit = new Visit({
    api,
    words,
    clock,
    availability,
    host,
    page,
    site: boot.site,
    services: boot.services,
    onlyService: boot.service,
  });
  visit.begin();
  addEventListener("offline", () => page.warn(words.say("problem.offline")));
  addEventListener("online", () => void visit?.refresh());
  host.tell("ready", { title: words.say("frame.title", { site: boot.site.name }) });
  if (early) void visit.greet(early);
}

void start();

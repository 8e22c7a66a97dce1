"""The widget on pages of others: what docs/embedding.md promises, with two sites and blocked third-party storage."""

import re
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Invite
from tests.browser.hosting import Host
from tests.browser.people import DEAF_MS, overflow, sees_times
from tests.browser.serving import LESSON, YOGA, Server, Studio

pytestmark = pytest.mark.anyio

STORES = """async () => {
    document.cookie = 'probe=1; SameSite=None; Secure';
    const refusals = { cookie: document.cookie };
    for (const store of ['localStorage', 'sessionStorage']) {
        try { window[store].length; refusals[store] = ''; } catch (refusal) { refusals[store] = refusal.name; }
    }
    return refusals;
}"""
TOUCHES = """
    window.touched = [];
    for (const store of ['localStorage', 'sessionStorage', 'indexedDB', 'caches', 'cookieStore']) {
        const get = () => { window.touched.push(store); throw new Error(`${store} was touched`); };
        Object.defineProperty(window, store, { get });
    }
    Object.defineProperty(document, 'cookie', {
        get() { window.touched.push('cookie'); return ''; }, set() { window.touched.push('cookie'); },
    });
"""


async def test_a_whole_booking_touches_no_storage_and_asks_nobody_else(
    studio: Studio, host: Host, invite: Invite
) -> None:
    anna = await invite("anna", own=True)
    await anna.page.add_init_script(f"if (location.hostname === 'localhost') {{ {TOUCHES} }}")
    await anna.opens(host.page(studio))
    await anna.picks_service("Yoga")
    await anna.holds(studio.slot(YOGA))
    await anna.confirms()
    await anna.is_booked()

    assert await (await anna.frame()).evaluate("window.touched") == []
    assert await anna.context.cookies() == []
    assert anna.unexpected() == []
    # As in everybody's browser, the frame has a process of its own: this raises where it does not.
    await anna.context.new_cdp_session(await anna.frame())


async def test_it_works_where_the_browser_blocks_all_storage_of_third_parties(
    studio: Studio, host: Host, invite_with_whole_browser: Invite
) -> None:
    anna = await invite_with_whole_browser("anna")
    await anna.opens(host.page(studio))
    await anna.picks_service("Yoga")

    assert await (await anna.frame()).evaluate(STORES) == {
        "cookie": "",
        "localStorage": "SecurityError",
        "sessionStorage": "SecurityError",
    }
    await anna.holds(studio.slot(YOGA))
    await anna.page.reload()
    await expect(anna.countdown).to_be_visible()
    await anna.confirms()
    await anna.is_booked()


async def test_after_a_booking_the_host_page_keeps_nothing_of_it(studio: Studio, host: Host, invite: Invite) -> None:
    anna = await invite("anna")
    await anna.opens(host.page(studio))
    await anna.picks_service("Yoga")
    await anna.holds(studio.slot(YOGA))
    kept = "Object.keys(sessionStorage).filter((name) => /:hold:/.test(name)).length"
    assert await anna.page.evaluate(kept) == 1

    await anna.confirms()
    await anna.is_booked()

    assert await anna.page.evaluate(kept) == 0
    assert await anna.page.evaluate("localStorage.length") == 0


async def test_a_page_that_is_not_allowed_cannot_show_it(server: Server, host: Host, invite: Invite) -> None:
    studio = await server.open_studio(LESSON, origins=["https://www.example.org"])
    mallory = await invite("mallory")
    mallory.expects("frame-ancestors", "chrome-error://")

    async with mallory.page.expect_console_message(lambda told: "frame-ancestors" in told.text):
        await mallory.opens(host.page(studio))

    assert await mallory.widget.get_by_text("Lesson").count() == 0


async def test_an_origin_that_is_taken_away_cannot_show_it_any_more(
    server: Server, studio: Studio, host: Host, invite: Invite
) -> None:
    anna = await invite("anna")
    anna.expects("frame-ancestors", "chrome-error://")
    await anna.opens(host.page(studio))
    await expect(anna.widget.get_by_role("button", name=re.compile("Yoga"))).to_be_visible()

    await server.change(studio, origins=("https://www.example.org",))

    async with anna.page.expect_console_message(lambda told: "frame-ancestors" in told.text):
        await anna.page.reload()


async def test_a_div_does_the_same_for_site_builders_that_remove_unknown_tags(
    studio: Studio, host: Host, invite: Invite
) -> None:
    anna = await invite("anna")

    await anna.opens(
        host.page(
            studio, f'<div class="tenuto-booking" data-site="{studio.key}" data-service="yoga" data-lang="de"></div>'
        )
    )

    await expect(anna.widget.get_by_role("heading", name="Yoga")).to_be_visible()
    await anna.looks_at(studio.slot(YOGA))
    await expect(anna.status(studio.slot(YOGA))).to_have_text("noch 12 Plätze")


async def test_two_widgets_on_one_page_keep_a_hold_each(studio: Studio, host: Host, invite: Invite) -> None:
    anna = await invite("anna")
    lessons, yoga = (
        f'<tenuto-booking site="{studio.key}" service="{key}"></tenuto-booking>' for key in ("lesson", "yoga")
    )
    script = f'<script src="{studio.url}/embed.js" async></script>'
    await anna.opens(host.page(studio, lessons, script, yoga))
    await anna.holds(studio.slot(LESSON))
    anna.looks_into(1)
    await anna.holds(studio.slot(YOGA), seats=2)

    await anna.page.reload()

    await expect(anna.countdown).to_be_visible()
    await expect(anna.widget.locator(".ticket")).to_contain_text("2 seats")
    anna.looks_into(0)
    await expect(anna.countdown).to_be_visible()
    await expect(anna.widget.locator(".ticket")).to_contain_text("Lesson")
    await anna.confirms()
    await anna.is_booked()
    anna.looks_into(1)
    await anna.confirms()
    await anna.is_booked()


async def test_the_host_page_is_told_without_secrets(studio: Studio, host: Host, invite: Invite) -> None:
    anna = await invite("anna", own=True)
    heard = """window.heard = [];
        for (const what of ['ready', 'hold', 'hold-ended', 'booked'])
            document.addEventListener(`tenuto:${what}`, ({ detail }) => window.heard.push([what, detail]));"""
    await anna.page.add_init_script(f"if (location.hostname === '127.0.0.1') {{ {heard} }}")
    await anna.opens(host.page(studio, f'<tenuto-booking site="{studio.key}" service="yoga"></tenuto-booking>'))
    await anna.holds(studio.slot(YOGA))
    await anna.button("Back").click()
    await anna.holds(studio.slot(YOGA, 1))
    await anna.confirms()
    await anna.is_booked()
    number = await anna.widget.locator(".done-number strong").inner_text()

    told: list[tuple[str, dict[str, Any]]] = await anna.page.evaluate("window.heard")

    assert [(what, sorted(detail)) for what, detail in told] == [
        ("ready", []),
        ("hold", ["expires_at"]),
        ("hold-ended", []),
        ("hold", ["expires_at"]),
        ("booked", ["number"]),
    ]
    assert told[-1][1]["number"] == number


@pytest.mark.parametrize("width", [320, 1200])
async def test_the_frame_is_as_high_as_what_is_in_it(studio: Studio, host: Host, invite: Invite, width: int) -> None:
    anna = await invite("anna", width=width)
    await anna.opens(host.page(studio))
    await anna.picks_service("Yoga")
    await anna.chooses(studio.slot(YOGA))

    frame = await anna.frame()
    await frame.wait_for_function("document.documentElement.scrollHeight <= innerHeight")
    await anna.goes_on(studio.slot(YOGA))
    await expect(anna.countdown).to_be_visible()
    await frame.wait_for_function("document.documentElement.scrollHeight <= innerHeight")

    height = await anna.page.locator("tenuto-booking iframe").evaluate("frame => frame.offsetHeight")
    assert height < await frame.evaluate("document.body.getBoundingClientRect().height") + 2
    assert await overflow(anna.page) == 0


async def test_what_a_chosen_time_asks_for_comes_into_sight(studio: Studio, host: Host, invite: Invite) -> None:
    anna, slot = await invite("anna", width=390), studio.slot(YOGA)
    await anna.page.set_viewport_size({"width": 390, "height": 600})
    await anna.opens(host.page(studio))
    await anna.picks_service("Yoga")
    await anna.looks_at(slot)
    time = anna.row(slot).get_by_role("button").first
    place = await time.bounding_box()
    assert place is not None
    await anna.page.evaluate("(by) => scrollBy(0, by)", place["y"] + place["height"] - 590)
    await expect(time).to_be_in_viewport(ratio=1)

    for _ in range(50):  # the frame has just moved: see TALL
        if await time.get_attribute("aria-expanded") != "true":
            await time.click()
            await anna.page.wait_for_timeout(200)

    await expect(anna.row(slot).get_by_role("button", name="Continue")).to_be_in_viewport(ratio=1)


async def test_each_step_begins_with_what_stands_above_its_title(studio: Studio, host: Host, invite: Invite) -> None:
    """The countdown, and the sign that it is done: on a phone whoever picks a time has turned the page further down."""
    anna, slot = await invite("anna", width=390), studio.slot(YOGA)
    turn_down = "scrollTo(0, document.querySelector('iframe').offsetTop + 50)"
    await anna.opens(host.page(studio, f'<tenuto-booking site="{studio.key}" service="yoga"></tenuto-booking>'))
    await anna.chooses(slot)
    needed = await anna.row(slot).get_by_role("button", name="Continue").bounding_box()
    assert needed is not None
    await anna.page.set_viewport_size({"width": 390, "height": int(needed["y"] + needed["height"]) - 150})
    await anna.page.evaluate(turn_down)
    await anna.page.wait_for_timeout(DEAF_MS)
    await anna.goes_on(slot)

    await expect(anna.countdown).to_be_in_viewport(ratio=1)
    await anna.page.evaluate(turn_down)
    await anna.page.wait_for_timeout(DEAF_MS)
    await anna.confirms()
    await anna.is_booked()
    await expect(anna.widget.locator(".done-mark")).to_be_in_viewport(ratio=1)


async def test_the_demo_page_books(server: Server, invite: Invite) -> None:
    """What `make demo` tells people to open."""
    anna = await invite("anna")
    await anna.opens(f"http://127.0.0.1:{server.port}/")
    await anna.picks_service("First consultation")
    await sees_times(anna.widget)
    await anna.widget.locator(".slot.is-open .slot-pick").first.click()
    await anna.widget.get_by_role("button", name="Continue").click()

    await anna.confirms()

    await anna.is_booked()
    await expect(anna.widget.get_by_role("link", name="https://video.example.org/studio-tenuto")).to_be_visible()


async def test_it_opens_by_itself_as_the_noscript_link_leads_there(studio: Studio, invite: Invite) -> None:
    anna = await invite("anna")
    await anna.opens(f"{studio.url}/w/{studio.key}")
    await anna.page.get_by_role("button", name=re.compile("Yoga")).click()
    await sees_times(anna.page)

    stores = "[document.cookie, localStorage.length, sessionStorage.length]"
    assert await anna.page.evaluate(stores) == ["", 0, 0]
    assert await anna.page.evaluate("indexedDB.databases().then((all) => all.length)") == 0

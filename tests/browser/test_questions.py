"""What a service asks: answered in the widget, shown on the order page; on a phone and on a desk, light and dark."""

from dataclasses import replace

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Invite
from tests.browser.hosting import Host
from tests.browser.people import VIEWS, is_sound, is_sound_within
from tests.browser.serving import YOGA, Server, Studio
from widget_server.domain.questions import Question, QuestionKind

pytestmark = pytest.mark.anyio

LEVEL = Question(
    "level", "How much yoga have you done?", QuestionKind.CHOICE, is_required=True, choices=("None", "Some")
)
MAT = Question("mat", "Do you bring a mat?", QuestionKind.YES_NO, is_required=True)
INJURY = Question("injury", "Is there anything we should know?", QuestionKind.LONG_TEXT, is_required=False)
FROM = Question("from", "Where do you come from?", QuestionKind.TEXT, is_required=True)


async def test_what_is_asked_is_answered_and_stands_on_the_order_page(
    server: Server, studio: Studio, host: Host, invite: Invite
) -> None:
    await server.offer(studio, replace(YOGA, questions=(LEVEL, MAT, INJURY)))
    anna = await invite("anna", width=VIEWS[0][0])
    anna.expects("400")
    await anna.opens(host.page(studio, f'<tenuto-booking site="{studio.key}" service="yoga"></tenuto-booking>'))
    await anna.holds(studio.slot(YOGA))
    widget = anna.widget

    await anna.name.fill("Anna Ek")
    await anna.button("Confirm booking").click()
    await expect(widget.get_by_label(LEVEL.text)).to_be_focused()
    await expect(widget.get_by_text("Please answer this.")).to_have_count(2)
    await is_sound_within(anna, "not answered")
    await widget.get_by_label(LEVEL.text).select_option("Some")
    await widget.get_by_role("group", name=MAT.text).get_by_label("No").check()
    await widget.get_by_label(INJURY.text).fill("My left knee.\nNothing else.")

    await server.offer(studio, replace(YOGA, questions=(LEVEL, MAT, INJURY, FROM)))  # meanwhile
    await anna.button("Confirm booking").click()
    await expect(anna.told("What is asked has changed meanwhile.")).to_be_visible()
    await widget.get_by_role("button", name="Back").click()
    await anna.goes_on(studio.slot(YOGA))
    await expect(widget.get_by_label(INJURY.text)).to_have_value("My left knee.\nNothing else.")
    await widget.get_by_label(FROM.text).fill("Oslo")
    await anna.button("Confirm booking").click()
    await anna.is_booked()

    order = await anna.opens_order_page()
    for said in (LEVEL.text, "Some", MAT.text, "No", INJURY.text, "My left knee.", FROM.text, "Oslo"):
        await expect(order.get_by_role("main")).to_contain_text(said)
    await is_sound(order, "order")

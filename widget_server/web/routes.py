"""The table of every URL. Read this first."""

from starlette.routing import BaseRoute, Mount, Route

from widget_server.assets import find
from widget_server.web import admin, health, payment_webhook, subscription, widget
from widget_server.web.api import availability, checkout, coupons, description, holds, my_bookings, orders, services
from widget_server.web.static_files import StaticFilesOfRelease

SITE = "/v1/sites/{site}"


def all_routes() -> list[BaseRoute]:
    return [
        Route(f"{SITE}/services", services.list_services),
        Route(f"{SITE}/services/{{service}}/availability", availability.read_availability),
        Route(f"{SITE}/services/{{service}}/next", availability.find_next),
        Route(f"{SITE}/feed", availability.read_feed),
        Route(f"{SITE}/quotes", coupons.create_quote, methods=["POST"]),
        Route(f"{SITE}/holds", holds.create_hold, methods=["POST"]),
        Route(f"{SITE}/holds/{{id}}", holds.show_hold),
        Route(f"{SITE}/holds/{{id}}", holds.change_hold, methods=["PATCH"]),
        Route(f"{SITE}/holds/{{id}}", holds.release_hold, methods=["DELETE"]),
        Route(f"{SITE}/holds/{{id}}/confirmation", orders.create_confirmation, methods=["POST"]),
        Route(f"{SITE}/holds/{{id}}/checkout", checkout.show_checkout),
        Route(f"{SITE}/holds/{{id}}/checkout", checkout.create_checkout, methods=["POST"]),
        Route(f"{SITE}/holds/{{id}}/checkout", checkout.leave_checkout, methods=["DELETE"]),
        Route(f"{SITE}/orders/{{id}}", orders.show_order),
        Route(f"{SITE}/orders/{{id}}/payment", checkout.ask_payment, methods=["POST"]),
        Route(f"{SITE}/orders/{{id}}/return", checkout.create_return, methods=["POST"]),
        Route(f"{SITE}/orders/{{id}}/receipt", orders.show_receipt),
        Route(f"{SITE}/orders/{{id}}/choice", checkout.create_choice, methods=["POST"]),
        Route(f"{SITE}/orders/{{id}}/calendar.ics", orders.download_calendar),
        Route(f"{SITE}/orders/{{id}}/cancellation", orders.create_cancellation, methods=["POST"]),
        Route(f"{SITE}/orders/{{id}}/reschedule", orders.create_reschedule, methods=["POST"]),
        Route(f"{SITE}/orders/{{id}}/reschedule", orders.leave_reschedule, methods=["DELETE"]),
        Route(f"{SITE}/my-bookings", my_bookings.list_my_bookings),
        Route(f"{SITE}/my-bookings/links", my_bookings.create_link, methods=["POST"]),
        Route("/stripe/webhook/{site}", payment_webhook.hear, methods=["POST"]),
        Route("/embed.js", widget.embed_script),
        Route("/w/{site}", widget.framed_page),
        Route("/o/{site}/{id}", widget.order_page),
        Route("/o/{site}/{id}/receipt", widget.receipt_page),
        Route("/my/{site}", widget.my_bookings_page),
        Route("/calendar/{member:row}/{secret}.ics", subscription.read_calendar),
        *admin.routes,
        Route("/healthz", health.healthz),
        Route("/readyz", health.readyz),
        Route("/metrics", health.metrics),
        Route("/openapi.json", description.openapi),
        Mount("/static/{release}", StaticFilesOfRelease(directory=find("widget_static")), name="static"),
    ]

"""The rooms of the operator."""

from starlette.routing import Route

from widget_server.web.admin import home, settings, signing_in
from widget_server.web.admin.refusals import refused_page
from widget_server.web.admin.session import signed_in_only
from widget_server.web.forms import FORM_BYTES_MAX

__all__ = ["refused_page", "routes"]

routes = [
    Route("/admin", signed_in_only(home.show_home)),
    Route("/admin/setup", signing_in.show_setup),
    Route("/admin/setup", signing_in.set_up, methods=["POST"], max_body_size=FORM_BYTES_MAX),
    Route("/admin/sign-in", signing_in.show_sign_in),
    Route("/admin/sign-in", signing_in.sign_in, methods=["POST"], max_body_size=FORM_BYTES_MAX),
    Route("/admin/sign-out", signed_in_only(signing_in.sign_out), methods=["POST"], max_body_size=FORM_BYTES_MAX),
    Route("/admin/password", signed_in_only(signing_in.show_password)),
    Route(
        "/admin/password", signed_in_only(signing_in.change_password), methods=["POST"], max_body_size=FORM_BYTES_MAX
    ),
    Route("/admin/sites/{site}/settings", signed_in_only(settings.show_settings)),
    Route(
        "/admin/sites/{site}/settings",
        signed_in_only(settings.save_settings),
        methods=["POST"],
        max_body_size=FORM_BYTES_MAX,
    ),
]

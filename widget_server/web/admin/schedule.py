"""The table of the pages about what can be booked, when and with whom."""

from widget_server.web.admin import blackouts, calendar, coupons, exports, imports, services, staff, start
from widget_server.web.admin.doors import sent, shown
from widget_server.web.forms import TABLE_BYTES_MAX, UPLOAD_BYTES_MAX

routes = [
    shown("/start", start.show_start),
    shown("/services", services.show_services),
    shown("/services/new", services.show_new),
    sent("/services/new", services.add, TABLE_BYTES_MAX),
    shown("/services/{service}", services.show_service),
    sent("/services/{service}", services.save, TABLE_BYTES_MAX),
    shown("/services/{service}/calendar", calendar.show_calendar),
    sent("/services/{service}/calendar", calendar.update, TABLE_BYTES_MAX),
    shown("/services/{service}/import", imports.show_import),
    sent("/services/{service}/import", imports.import_slots, UPLOAD_BYTES_MAX),
    shown("/services/{service}/import/template.csv", exports.show_template),
    shown("/services/{service}/export", exports.show_export),
    shown("/services/{service}/slots.csv", exports.export_csv),
    shown("/services/{service}/slots.ics", exports.export_ics),
    shown("/staff", staff.show_staff),
    shown("/staff/new", staff.show_new),
    sent("/staff/new", staff.add, TABLE_BYTES_MAX),
    shown("/staff/{member}", staff.show_member),
    sent("/staff/{member}", staff.save, TABLE_BYTES_MAX),
    shown("/blackouts", blackouts.show_blackouts),
    shown("/blackouts/new", blackouts.show_new),
    sent("/blackouts/new", blackouts.add),
    shown("/blackouts/{blackout:row}", blackouts.show_blackout),
    sent("/blackouts/{blackout:row}", blackouts.save),
    sent("/blackouts/{blackout:row}/removal", blackouts.remove),
    shown("/coupons", coupons.list_coupons),
    shown("/coupons/new", coupons.show_new),
    sent("/coupons/new", coupons.add, TABLE_BYTES_MAX),
    shown("/coupons/{coupon:row}", coupons.show_coupon),
    sent("/coupons/{coupon:row}", coupons.save, TABLE_BYTES_MAX),
    sent("/coupons/{coupon:row}/removal", coupons.remove),
]

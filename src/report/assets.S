/* What every page has in it, kept in the program so that it stays one file. */
#define ASSET(name, file) \
    .global name; name: .incbin file; .global name##_end; name##_end: .byte 0

    .section .rodata
    ASSET(mpira_report_css, REPORT_CSS)
    ASSET(mpira_report_js, REPORT_JS)
#ifdef PLOTLY_JS
    ASSET(mpira_plotly_js, PLOTLY_JS)
    ASSET(mpira_plotly_licence, PLOTLY_LICENCE)
#else
    .global mpira_plotly_js; .global mpira_plotly_js_end
    .global mpira_plotly_licence; .global mpira_plotly_licence_end
mpira_plotly_js: mpira_plotly_js_end: mpira_plotly_licence: mpira_plotly_licence_end: .byte 0
#endif
    .section .note.GNU-stack,"",%progbits

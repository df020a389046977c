#pragma once

#include <string_view>

/// Texts that are part of the program (assets.S).
extern "C" {
extern char const mpira_report_css[], mpira_report_css_end[];
extern char const mpira_report_js[], mpira_report_js_end[];
extern char const mpira_plotly_js[], mpira_plotly_js_end[];
extern char const mpira_plotly_licence[], mpira_plotly_licence_end[];
}

namespace mpira::report {

inline std::string_view report_css() {
    return {mpira_report_css, mpira_report_css_end};
}
inline std::string_view report_js() {
    return {mpira_report_js, mpira_report_js_end};
}
/// Empty in a program that was built without it.
inline std::string_view plotly_js() {
    return {mpira_plotly_js, mpira_plotly_js_end};
}
inline std::string_view plotly_licence() {
    return {mpira_plotly_licence, mpira_plotly_licence_end};
}

}  // namespace mpira::report

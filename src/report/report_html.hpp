#pragma once

#include <string>
#include <string_view>

#include "report/report_page.hpp"

namespace mpira::report {

/// Any bytes as text of an element or a quoted attribute: valid UTF-8 without control characters, markup
/// escaped.
std::string html(std::string_view text);

/// Text of a <script> of JSON or JavaScript: nothing in it can end the element.
std::string json_in_script(std::string_view json);

/// "'sha256-...'": lets a policy name a script by its content.
std::string policy_hash(std::string_view script);

/// Four significant digits, for people; "-" for what is no number.
std::string short_number(double value);
/// As a table on the page, and in a file (nine significant digits: all that a float has), shows it.
std::string shown_text(Cell const& cell);
std::string file_text(Cell const& cell);

/// At most `most` characters, the rest as "...".
std::string shortened(std::string_view text, std::size_t most);
/// Letters that it takes on the screen (code points).
std::size_t length_of(std::string_view text);

}  // namespace mpira::report

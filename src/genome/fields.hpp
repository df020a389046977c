#pragma once

#include <string_view>
#include <vector>

namespace mpira::genome {

/// Fields of a line by tabs, or by runs of blanks when it has no tab. `fields` is reused.
void split_fields(std::string_view line, std::vector<std::string_view>& fields);

/// The words of a line, between blanks and tabs.
std::vector<std::string_view> words_of(std::string_view line);

/// The text before the first blank or tab.
std::string_view first_word(std::string_view line);

/// Whether a BED line holds no interval: empty, a comment, or of the words track and browser.
bool is_bed_remark(std::string_view line);

}  // namespace mpira::genome

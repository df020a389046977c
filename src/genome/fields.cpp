#include "genome/fields.hpp"

#include "mpira/base/text.hpp"

namespace mpira::genome {

void split_fields(std::string_view line, std::vector<std::string_view>& fields) {
    fields.clear();
    if (line.find('\t') != std::string_view::npos) {
        fields = text::split(line, '\t');
        return;
    }
    std::size_t at = line.find_first_not_of(' ');
    while (at != std::string_view::npos) {
        std::size_t const end = line.find(' ', at);
        fields.push_back(line.substr(at, end == std::string_view::npos ? end : end - at));
        at = line.find_first_not_of(' ', end);
    }
}

std::vector<std::string_view> words_of(std::string_view line) {
    std::vector<std::string_view> words;
    for (std::size_t at = line.find_first_not_of(" \t"); at != std::string_view::npos;) {
        std::size_t const end = line.find_first_of(" \t", at);
        words.push_back(line.substr(at, end == std::string_view::npos ? end : end - at));
        at = line.find_first_not_of(" \t", end);
    }
    return words;
}

std::string_view first_word(std::string_view line) {
    return line.substr(0, line.find_first_of(" \t"));
}

bool is_bed_remark(std::string_view line) {
    return text::trim(line).empty() || line.starts_with('#') || first_word(line) == "track" ||
           first_word(line) == "browser";
}

}  // namespace mpira::genome

#include "genome/element_groups.hpp"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/mapped_text.hpp"
#include "mpira/base/text.hpp"

namespace mpira::genome {
namespace {

/// Number of a name in a short list, which grows by it if it is new.
std::uint32_t number_of(std::string_view name, std::vector<std::string>& names) {
    auto const found = std::ranges::find(names, name);
    auto const number = static_cast<std::uint32_t>(found - names.begin());
    if (found == names.end()) names.emplace_back(name);
    return number;
}

}  // namespace

void ElementGroups::add(std::string_view group) {
    of_element_.push_back(number_of(group, names_));
}

ElementGroups ElementGroups::of_column(ElementFile const& elements, int column) {
    ElementGroups groups;
    groups.of_element_.reserve(elements.size());
    for (std::uint64_t element = 0; element < elements.size(); ++element) {
        groups.add(elements.column(element, column));
    }
    return groups;
}

ElementGroups ElementGroups::read(std::filesystem::path const& table, ElementFile const& elements,
                                  NameIndex const& by_name) {
    constexpr auto kNone = std::numeric_limits<std::uint32_t>::max();
    MappedText const text(table);
    std::vector<std::uint32_t> label_of(elements.size(), kNone);
    std::vector<std::string> labels;
    for (std::size_t at = 0; at < text.size(); at = text.after(at)) {
        auto const line = text.line(at);
        if (text::trim(line).empty() || line.starts_with('#')) continue;
        auto const fields = text::split(line, '\t');
        if (fields.size() < 2 || fields[0].empty() || fields[1].empty()) {
            text.refuse(at, "expected element name, tab, group name");
        }
        auto const element = by_name.find(fields[0]);
        if (!element) text.refuse(at, fmt::format("{} has no element '{}'", elements.file_name(), fields[0]));
        if (label_of[*element] != kNone) {
            text.refuse(at, fmt::format("element '{}' was given a group before", fields[0]));
        }
        label_of[*element] = number_of(fields[1], labels);
    }
    ElementGroups groups;
    groups.of_element_.reserve(elements.size());
    for (std::uint64_t element = 0; element < elements.size(); ++element) {
        if (label_of[element] == kNone) {
            fail_usage(fmt::format("{}: element '{}' ({}) has no group", table.string(),
                                   elements.name(element), elements.place(element)));
        }
        groups.add(labels[label_of[element]]);
    }
    return groups;
}

}  // namespace mpira::genome

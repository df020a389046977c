#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "mpira/base/name_index.hpp"

#include "genome/element_file.hpp"

namespace mpira::genome {

/// Which group each element belongs to. Groups are numbered by first appearance among the elements, so that
/// the order of a table's lines is no matter.
class ElementGroups {
public:
    /// No groups.
    ElementGroups() = default;
    /// From lines "element <tab> group"; `by_name` is of the elements' names.
    static ElementGroups read(std::filesystem::path const& table, ElementFile const& elements,
                              NameIndex const& by_name);
    static ElementGroups of_column(ElementFile const& elements, int column);

    [[nodiscard]] std::vector<std::string> const& names() const noexcept { return names_; }
    [[nodiscard]] std::vector<std::uint32_t> const& of_element() const noexcept { return of_element_; }

private:
    void add(std::string_view group);
    std::vector<std::string> names_;
    std::vector<std::uint32_t> of_element_;
};

}  // namespace mpira::genome

#include "report/text_table.hpp"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "mpira/base/text.hpp"

namespace mpira::report {

TextTable::TextTable(std::filesystem::path const& file) : text_(file) {
    for (std::size_t at = 0; at < text_.size(); at = text_.after(at)) {
        auto fields = text::split(text_.line(at), '\t');
        if (columns_.empty()) {
            columns_ = std::move(fields);
            continue;
        }
        if (fields.size() != columns_.size())
            text_.refuse(at, fmt::format("{} fields, its header has {}", fields.size(), columns_.size()));
        rows_.push_back(std::move(fields));
    }
}

std::size_t TextTable::column(std::string_view name) const {
    auto const found = std::ranges::find(columns_, name);
    if (found == columns_.end()) {
        std::vector<std::string> const known(columns_.begin(), columns_.end());
        text_.refuse(0, fmt::format("has no column '{}'{}", name, text::did_you_mean(name, known)));
    }
    if (std::ranges::count(columns_, name) > 1)
        text_.refuse(0, fmt::format("has the column '{}' twice", name));
    return static_cast<std::size_t>(found - columns_.begin());
}

double TextTable::number(std::size_t row, std::size_t column) const {
    return text::to_number(rows_[row][column]).value_or(std::numeric_limits<double>::quiet_NaN());
}

void TextTable::refuse(std::size_t row, std::string_view what) const {
    text_.refuse(static_cast<std::size_t>(rows_[row].front().data() - text_.all().data()), what);
}

}  // namespace mpira::report

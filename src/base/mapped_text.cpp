#include "mpira/base/mapped_text.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

namespace mpira {

MappedText::MappedText(std::filesystem::path const& file) : file_(file), mapping_(file) {
    if (all().starts_with("\x1f\x8b")) {
        fail_usage(fmt::format("{}: compressed; it is read where it lies, so unpack it first (gunzip)",
                               file.string()));
    }
}

std::string_view MappedText::all() const noexcept {
    auto const bytes = mapping_.bytes();
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): bytes of a text file
    return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
}

std::string_view MappedText::line(std::size_t offset) const {
    auto line = all().substr(offset, all().find('\n', offset) - offset);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return offset == 0 ? text::without_mark(line) : line;
}

std::size_t MappedText::after(std::size_t offset) const {
    std::size_t const end = all().find('\n', offset);
    return end == std::string_view::npos ? size() : end + 1;
}

std::size_t MappedText::line_number(std::size_t offset) const {
    return 1 + static_cast<std::size_t>(std::ranges::count(all().substr(0, offset), '\n'));
}

std::string MappedText::place(std::size_t offset) const {
    return fmt::format("{}, line {}", file_.string(), line_number(offset));
}

void MappedText::refuse(std::size_t offset, std::string_view what, std::source_location where) const {
    fail_usage(fmt::format("{}: {}", place(offset), what), where);
}

}  // namespace mpira

#include "mpira/base/mapped_text.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "mpira/base/deflate.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

namespace mpira {

namespace {

constexpr std::size_t kMostUnpacked = std::size_t{1} << 34;

bool begins_with(std::span<std::byte const> bytes, std::string_view magic) {
    return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

/// Of old Macs: CR alone, by which a whole file would be one line.
void refuse_old_line_ends(std::string_view text, std::filesystem::path const& file) {
    auto const first = text.find_first_of("\r\n");
    if (first == std::string_view::npos || text[first] == '\n' || first + 1 == text.size()) return;
    if (text[first + 1] != '\n' && text.find('\n') == std::string_view::npos)
        fail_usage(fmt::format("{}: {}", file.string(), kOldLineEnds));
}

}  // namespace

MappedText::MappedText(std::filesystem::path const& file) : file_(file), mapping_(file) {
    content_ = mapping_->bytes();
    constexpr std::string_view kZstandard = "\x28\xb5\x2f\xfd", kXz = "\xfd\x37zXZ", kBzip2 = "BZh",
                               kZip = "PK\x03\x04";
    for (auto const magic : {kZstandard, kXz, kBzip2, kZip}) {
        if (begins_with(content_, magic))
            fail_usage(fmt::format("{}: compressed, and not by gzip; unpack it first", file.string()));
    }
    if (!begins_with(content_, "\x1f\x8b")) {
        refuse_old_line_ends(all(), file);
        return;
    }
    auto [unpacked, fits] = gunzip(content_, kMostUnpacked);
    if (!fits)
        fail_usage(
            fmt::format("{}: unpacks to more than 16 GiB; unpack it (gunzip), so that it is "
                        "read where it lies",
                        file.string()));
    if (!unpacked)
        fail_usage(
            fmt::format("{}: damaged: the compressed data end early or are broken; "
                        "fetch the file again",
                        file.string()));
    unpacked_ = *std::move(unpacked);
    content_ = unpacked_;
    mapping_.reset();
    refuse_old_line_ends(all(), file);
}

std::string_view MappedText::all() const noexcept {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): bytes of a text file
    return {reinterpret_cast<char const*>(content_.data()), content_.size()};
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

#include "store/zarr_chunks.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <string_view>
#include <utility>

#include <blosc.h>
#include <fmt/format.h>
#include <zstd.h>

#include "mpira/base/deflate.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/mapped_file.hpp"
#include "mpira/base/text.hpp"

namespace mpira::store {
namespace {

namespace fs = std::filesystem;

/// What damaged metadata ask for is not allocated: no chunk of a sound store is near the first, and no
/// compressor here makes more than the second of a byte.
constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 31;
constexpr std::uint64_t kMostRatio = 100'000;
constexpr std::uint64_t kAlwaysAllowed = std::uint64_t{1} << 24;

[[noreturn]] void refuse(fs::path const& file, std::string_view what) {
    fail_usage(fmt::format("{}: {}", file.string(), what));
}

std::string text_of(nlohmann::json const& json, char const* key, char const* fallback) {
    auto const found = json.find(key);
    return found != json.end() && found->is_string() ? found->get<std::string>() : fallback;
}

std::vector<std::uint64_t> extents(nlohmann::json const& json, char const* key, fs::path const& file,
                                   std::uint64_t least) {
    auto const found = json.find(key);
    if (found == json.end() || !found->is_array() || found->empty() || found->size() > 2)
        refuse(file, fmt::format("'{}' must have one or two numbers", key));
    std::vector<std::uint64_t> values;
    for (auto const& value : *found) {
        if (!value.is_number_unsigned() || value.get<std::uint64_t>() < least ||
            value.get<std::uint64_t>() > std::numeric_limits<std::uint32_t>::max())
            refuse(file, fmt::format("'{}' holds {}, which is no extent", key, value.dump()));
        values.push_back(value.get<std::uint64_t>());
    }
    return values;
}

void read_type(ZarrInfo& info, nlohmann::json const& json, fs::path const& file) {
    auto const type = json.value("dtype", nlohmann::json()).dump();
    // "<f4" in quotation marks: order, kind, bytes
    auto const known = [&] {
        if (type.size() < 4 || type.front() != '"') return false;
        char const order = type[1];
        info.kind = type[2];
        auto const width = text::to_integer(std::string_view(type).substr(3, type.size() - 4));
        if (info.kind == 'O') return true;
        if (!width || *width < 1 || *width > 4096 || order == '>') return false;
        info.width = static_cast<std::size_t>(*width);
        auto const is = [&](std::initializer_list<std::size_t> widths) {
            return std::ranges::find(widths, info.width) != widths.end();
        };
        switch (info.kind) {
            case 'f':
                return is({4, 8});
            case 'i':
            case 'u':
                return is({1, 2, 4, 8});
            case 'b':
                return is({1});
            case 'U':
                info.width *= 4;
                return true;
            case 'S':
                return true;
            default:
                return false;
        }
    }();
    if (!known)
        refuse(file,
               fmt::format("values of type {} are not read here; little-endian f4, f8, integers, bool and "
                           "strings are",
                           type));
}

void read_filters(ZarrInfo& info, nlohmann::json const& json, fs::path const& file) {
    auto const filters = json.value("filters", nlohmann::json());
    bool is_texts = false;
    for (auto const& filter : filters) {
        auto const id = filter.is_object() ? text_of(filter, "id", "") : std::string();
        if (id == "vlen-utf8" && info.kind == 'O' && !is_texts)
            is_texts = true;
        else if (id == "shuffle" && info.kind != 'O' && !info.shuffled &&
                 filter.value("elementsize", nlohmann::json(4)) == info.width)
            info.shuffled = true;
        else
            refuse(file, fmt::format("the filter {} is not read here", filter.dump()));
    }
    if (info.kind == 'O' && !is_texts) refuse(file, "objects that are no strings (filter vlen-utf8)");
}

std::vector<std::byte> read_whole(fs::path const& file) {
    MappedFile const mapped(file);
    return {mapped.bytes().begin(), mapped.bytes().end()};
}

bool is_credible(std::uint64_t size, std::span<std::byte const> compressed) {
    return size <= kMostBytes && (size <= kAlwaysAllowed || size / kMostRatio <= compressed.size());
}

std::uint64_t blosc_size(std::span<std::byte const> bytes) {
    std::size_t size = 0;
    return blosc_cbuffer_validate(bytes.data(), bytes.size(), &size) == 0 ? size : kMostBytes + 1;
}

std::uint64_t zstd_size(std::span<std::byte const> bytes) {
    auto const size = ZSTD_getFrameContentSize(bytes.data(), bytes.size());
    return size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN ? kMostBytes + 1 : size;
}

Deflated deflated(std::string const& compressor) {
    return compressor == "gzip" ? Deflated::gzip : Deflated::zlib;
}

bool decompress(std::string const& compressor, std::span<std::byte const> bytes, std::span<std::byte> out) {
    if (compressor == "blosc")
        return blosc_size(bytes) == out.size() &&
               blosc_decompress_ctx(bytes.data(), out.data(), out.size(), 1) == static_cast<int>(out.size());
    if (compressor == "zstd")
        return ZSTD_decompress(out.data(), out.size(), bytes.data(), bytes.size()) == out.size();
    return inflate(deflated(compressor), bytes, out);
}

/// Of a chunk whose size is not known before: strings.
std::vector<std::byte> decompress_texts(std::string const& compressor, std::vector<std::byte> bytes,
                                        fs::path const& file) {
    if (compressor.empty()) return bytes;
    std::vector<std::byte> out;
    bool const says_size = compressor == "blosc" || compressor == "zstd";
    if (says_size) {
        auto const size = compressor == "blosc" ? blosc_size(bytes) : zstd_size(bytes);
        if (is_credible(size, bytes)) {
            out.resize(size);
            if (decompress(compressor, bytes, out)) return out;
        }
    } else if (auto inflated = inflate(deflated(compressor), bytes,
                                       std::max(kAlwaysAllowed, bytes.size() * kMostRatio))) {
        return *std::move(inflated);
    }
    refuse(file, fmt::format("damaged: {} can't read it", compressor));
}

}  // namespace

std::string ZarrInfo::chunk_name(std::uint64_t row, std::uint64_t column) const {
    return shape.size() > 1 ? fmt::format("{}{}{}", row, separator, column) : fmt::format("{}", row);
}

ZarrInfo read_zarr_info(fs::path const& folder) {
    auto const file = folder / ".zarray";
    MappedFile const mapped(file);
    auto const bytes = mapped.bytes();
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): bytes of a text
    auto const* const begin = reinterpret_cast<char const*>(bytes.data());
    auto const json = nlohmann::json::parse(begin, begin + bytes.size(), nullptr, false);
    if (!json.is_object()) refuse(file, "no JSON object");
    if (json.value("zarr_format", nlohmann::json()) != 2) refuse(file, "not of zarr version 2");
    if (text_of(json, "order", "C") != "C") refuse(file, "an array in order F is not read here");
    ZarrInfo info;
    info.shape = extents(json, "shape", file, 0);
    info.chunks = extents(json, "chunks", file, 1);
    if (info.shape.size() != info.chunks.size()) refuse(file, "shape and chunks differ in dimensions");
    read_type(info, json, file);
    read_filters(info, json, file);
    if (info.kind == 'O' && info.shape.size() != 1)
        refuse(file, "strings of two dimensions are not read here");
    if (info.kind != 'O' && info.chunk_values() > kMostBytes / info.width)
        refuse(file, "its chunks have over 2 GiB");
    if (auto const compressor = json.value("compressor", nlohmann::json()); !compressor.is_null()) {
        info.compressor = compressor.is_object() ? text_of(compressor, "id", "") : std::string();
        constexpr std::array<std::string_view, 4> kKnown{"blosc", "zlib", "gzip", "zstd"};
        if (std::ranges::find(kKnown, info.compressor) == kKnown.end())
            refuse(file, fmt::format("the compressor {} is not read here; {} are", compressor.dump(),
                                     fmt::join(kKnown, ", ")));
    }
    info.separator = text_of(json, "dimension_separator", ".") == "/" ? '/' : '.';
    info.fill = json.value("fill_value", nlohmann::json());
    return info;
}

std::vector<std::byte> read_zarr_chunk(fs::path const& file, ZarrInfo const& info) {
    if (!fs::exists(file)) return {};
    auto bytes = read_whole(file);
    auto const size = info.chunk_values() * info.width;
    if (!is_credible(size, bytes))
        refuse(file, fmt::format("damaged: {} bytes can't be the {} that .zarray says", bytes.size(), size));
    std::vector<std::byte> out(size);
    if (info.compressor.empty()) {
        if (bytes.size() != out.size())
            refuse(file, fmt::format("has {} bytes, {} were expected", bytes.size(), out.size()));
        out.swap(bytes);
    } else if (!decompress(info.compressor, bytes, out)) {
        refuse(file,
               fmt::format("damaged, or not of {} bytes: {} can't read it", out.size(), info.compressor));
    }
    if (!info.shuffled) return out;
    std::vector<std::byte> values(out.size());
    auto const count = out.size() / info.width;
    for (std::size_t byte = 0; byte < info.width; ++byte)
        for (std::size_t i = 0; i < count; ++i) values[i * info.width + byte] = out[byte * count + i];
    return values;
}

std::vector<std::string> read_zarr_texts(fs::path const& file, ZarrInfo const& info) {
    if (!fs::exists(file)) refuse(file, "missing: a chunk of strings");
    auto const bytes = decompress_texts(info.compressor, read_whole(file), file);
    std::size_t at = 0;
    auto const number = [&] {
        std::uint32_t value = 0;
        if (bytes.size() - at < sizeof value) refuse(file, "damaged: it ends within a string");
        std::memcpy(&value, bytes.data() + at, sizeof value);
        at += sizeof value;
        return value;
    };
    auto const count = number();
    if (count > info.chunks[0] || count > bytes.size())
        refuse(file, fmt::format("damaged: {} strings in a chunk", count));
    std::vector<std::string> texts;
    for (std::uint32_t i = 0; i < count; ++i) {
        auto const length = number();
        if (length > bytes.size() - at) refuse(file, "damaged: it ends within a string");
        auto& text = texts.emplace_back(length, '\0');
        std::memcpy(text.data(), bytes.data() + at, length);
        at += length;
    }
    return texts;
}

}  // namespace mpira::store

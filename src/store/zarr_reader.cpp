#include "mpira/store/zarr_reader.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include <fmt/format.h>

#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"

#include "store/zarr_chunks.hpp"

namespace mpira::store {
namespace {

namespace fs = std::filesystem;

ZarrInfo info_of(fs::path const& folder, std::string_view array) {
    auto const path = folder / array;
    if (!fs::exists(path / ".zarray"))
        fail_usage(fmt::format("{}: has no array '{}'", folder.string(), array));
    return read_zarr_info(path);
}

template <typename T>
double value_at(std::byte const* at) {
    T value;
    std::memcpy(&value, at, sizeof value);
    return static_cast<double>(value);
}

using Convert = double (*)(std::byte const*);

/// From a value as it lies in memory.
Convert convert_of(ZarrInfo const& info) {
    switch (info.kind) {
        case 'f':
            return info.width == 4 ? value_at<float> : value_at<double>;
        case 'i':
            return info.width == 1   ? value_at<std::int8_t>
                   : info.width == 2 ? value_at<std::int16_t>
                   : info.width == 4 ? value_at<std::int32_t>
                                     : value_at<std::int64_t>;
        case 'u':
        case 'b':
            return info.width == 1   ? value_at<std::uint8_t>
                   : info.width == 2 ? value_at<std::uint16_t>
                   : info.width == 4 ? value_at<std::uint32_t>
                                     : value_at<std::uint64_t>;
        default:
            return nullptr;
    }
}

double fill_of(ZarrInfo const& info, fs::path const& array) {
    if (info.fill.is_null()) return 0;
    if (info.fill.is_boolean()) return info.fill.get<bool>() ? 1 : 0;
    if (info.fill.is_number()) return info.fill.get<double>();
    if (info.fill == "NaN") return std::numeric_limits<double>::quiet_NaN();
    fail_usage(fmt::format("{}: the fill value {} is no number", array.string(), info.fill.dump()));
}

/// Of numpy's fixed-length strings: letters of 4 bytes (U), or bytes (S), up to the first 0.
std::string fixed_text(std::byte const* at, ZarrInfo const& info) {
    std::string text;
    if (info.kind == 'S') {
        for (std::size_t i = 0; i < info.width && at[i] != std::byte{0}; ++i)
            text.push_back(static_cast<char>(at[i]));
        return text;
    }
    for (std::size_t i = 0; i < info.width; i += 4) {
        std::uint32_t letter = 0;
        std::memcpy(&letter, at + i, sizeof letter);
        if (letter == 0) break;
        // UTF-8
        if (letter < 0x80) {
            text.push_back(static_cast<char>(letter));
        } else if (letter < 0x800) {
            text.push_back(static_cast<char>(0xC0 | (letter >> 6U)));
            text.push_back(static_cast<char>(0x80 | (letter & 0x3FU)));
        } else if (letter < 0x10000) {
            text.push_back(static_cast<char>(0xE0 | (letter >> 12U)));
            text.push_back(static_cast<char>(0x80 | ((letter >> 6U) & 0x3FU)));
            text.push_back(static_cast<char>(0x80 | (letter & 0x3FU)));
        } else {
            text.push_back(static_cast<char>(0xF0 | ((letter >> 18U) & 0x7U)));
            text.push_back(static_cast<char>(0x80 | ((letter >> 12U) & 0x3FU)));
            text.push_back(static_cast<char>(0x80 | ((letter >> 6U) & 0x3FU)));
            text.push_back(static_cast<char>(0x80 | (letter & 0x3FU)));
        }
    }
    return text;
}

}  // namespace

ZarrReader::ZarrReader(fs::path const& folder) : folder_(folder) {
    if (!fs::is_directory(folder))
        fail_usage(fmt::format("{}: {}", folder.string(),
                               fs::exists(folder) ? "not a folder; unpack the zarr store (unzip)"
                                                  : "No such file or directory"));
    if (fs::exists(folder / "zarr.json"))
        fail_usage(
            fmt::format("{}: of zarr version 3; version 2 is read here. Python makes one: import zarr; s = "
                        "zarr.open('{}'); then copy its arrays into zarr.open('v2.zarr', mode='w', "
                        "zarr_format=2)",
                        folder.string(), folder.string()));
    if (!fs::exists(folder / ".zgroup"))
        fail_usage(fmt::format("{}: no zarr store: it has no .zgroup", folder.string()));
}

bool ZarrReader::contains(std::string_view array) const {
    return fs::exists(folder_ / array / ".zarray");
}

std::vector<std::string> ZarrReader::arrays_of(std::string_view group) const {
    std::vector<std::string> names;
    std::error_code code;
    for (auto const& entry : fs::directory_iterator(folder_ / group, code))
        if (fs::exists(entry.path() / ".zarray")) names.push_back(entry.path().filename().string());
    std::ranges::sort(names);
    return names;
}

std::vector<std::uint64_t> ZarrReader::shape(std::string_view array) const {
    return info_of(folder_, array).shape;
}
std::uint64_t ZarrReader::chunk_rows(std::string_view array) const {
    return info_of(folder_, array).chunks.front();
}

std::uint64_t ZarrReader::missing_chunks(std::string_view array) const {
    auto const info = info_of(folder_, array);
    std::uint64_t missing = 0;
    for (std::uint64_t row = 0; row * info.chunks[0] < info.shape[0]; ++row)
        for (std::uint64_t column = 0; column * info.chunk_columns() < info.columns(); ++column)
            missing += fs::exists(folder_ / array / info.chunk_name(row, column)) ? 0 : 1;
    return missing;
}

std::vector<std::string> ZarrReader::strings(std::string_view array) const {
    auto const info = info_of(folder_, array);
    if (info.shape.size() != 1 || (info.kind != 'O' && info.kind != 'U' && info.kind != 'S'))
        fail_usage(fmt::format("{}: '{}' holds no list of strings", folder_.string(), array));
    std::vector<std::string> texts;
    for (std::uint64_t chunk = 0; texts.size() < info.shape[0]; ++chunk) {
        auto const file = folder_ / array / info.chunk_name(chunk, 0);
        if (info.kind == 'O') {
            auto more = read_zarr_texts(file, info);
            if (more.size() < std::min(info.chunks[0], info.shape[0] - texts.size()))
                fail_usage(fmt::format("{}: damaged: it holds {} strings only", file.string(), more.size()));
            std::ranges::move(more, std::back_inserter(texts));
            continue;
        }
        auto const bytes = read_zarr_chunk(file, info);
        if (bytes.empty()) fail_usage(fmt::format("{}: missing: a chunk of strings", file.string()));
        for (std::uint64_t i = 0; i < info.chunks[0]; ++i)
            texts.push_back(fixed_text(&bytes[i * info.width], info));
    }
    texts.resize(info.shape[0]);
    return texts;
}

std::vector<double> ZarrReader::numbers(std::string_view array, std::uint64_t first,
                                        std::uint64_t count) const {
    auto const info = info_of(folder_, array);
    auto const convert = convert_of(info);
    if (convert == nullptr) fail_usage(fmt::format("{}: '{}' holds no numbers", folder_.string(), array));
    ensure(first + count <= info.shape[0], "rows of a zarr array");
    auto const columns = info.columns();
    std::vector<double> values(count * columns, fill_of(info, folder_ / array));
    if (values.empty()) return values;
    for (auto row_chunk = first / info.chunks[0]; row_chunk * info.chunks[0] < first + count; ++row_chunk) {
        auto const from = std::max(first, row_chunk * info.chunks[0]);
        auto const to = std::min(first + count, (row_chunk + 1) * info.chunks[0]);
        for (std::uint64_t column_chunk = 0; column_chunk * info.chunk_columns() < columns; ++column_chunk) {
            auto const bytes =
                read_zarr_chunk(folder_ / array / info.chunk_name(row_chunk, column_chunk), info);
            if (bytes.empty()) continue;
            auto const left = column_chunk * info.chunk_columns();
            auto const right = std::min(columns, left + info.chunk_columns());
            for (auto row = from; row < to; ++row)
                for (auto column = left; column < right; ++column) {
                    auto const at =
                        (row - row_chunk * info.chunks[0]) * info.chunk_columns() + (column - left);
                    values[(row - first) * columns + column] = convert(&bytes[at * info.width]);
                }
        }
    }
    return values;
}

std::vector<float> ZarrReader::floats(std::string_view array, std::uint64_t first,
                                      std::uint64_t count) const {
    auto const values = numbers(array, first, count);
    std::vector<float> rounded(values.size());
    std::ranges::transform(values, rounded.begin(), [](double value) { return static_cast<float>(value); });
    return rounded;
}

std::string ZarrReader::content_hash(std::span<std::string const> arrays) const {
    ContentHash hash;
    for (auto const& array : arrays) {
        std::vector<fs::path> files;
        for (auto const& entry : fs::recursive_directory_iterator(folder_ / array))
            if (entry.is_regular_file()) files.push_back(entry.path());
        std::ranges::sort(files);
        hash.add(array);
        for (auto const& file : files)
            if (file.filename() != ".zattrs")
                hash.add(file.lexically_relative(folder_).string()).add(hash_file(file));
    }
    return hash.hex();
}

}  // namespace mpira::store

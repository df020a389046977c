#include "mpira/store/zarr.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <system_error>

#include <fmt/format.h>

#include "mpira/base/deflate.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/float16.hpp"
#include "mpira/store/file_io.hpp"

#include "store/draft.hpp"

namespace mpira::store {
namespace {

namespace fs = std::filesystem;
static_assert(std::endian::native == std::endian::little, "chunks are written as they lie in memory");

constexpr int kLevel = 4;
constexpr std::uint64_t kChunkBytes = 1 << 20;
constexpr std::uint64_t kStringsAChunk = 1 << 14;

/// numpy's name of a type, as zarr's metadata has it.
std::string_view zarr_type(Type type) {
    switch (type) {
        case Type::boolean:
            return "|b1";
        case Type::u8:
            return "|u1";
        case Type::i32:
            return "<i4";
        case Type::i64:
            return "<i8";
        case Type::f16:
            return "<f2";
        case Type::bf16:  // numpy has none
            break;
        case Type::f32:
            return "<f4";
        case Type::f64:
            return "<f8";
    }
    throw Error(Origin::internal, "a type without a name in zarr");
}

/// JSON has no NaN: zarr says it as a string.
nlohmann::json fill_json(Type type, double fill) {
    if (type == Type::boolean) return fill != 0;
    if (!is_float(type)) return static_cast<std::int64_t>(fill);
    ensure(!std::isinf(fill), "no array is filled with infinities");
    return std::isnan(fill) ? nlohmann::json("NaN") : nlohmann::json(fill);
}

template <typename T>
void append(std::vector<std::byte>& bytes, T value) {
    auto const at = bytes.size();
    bytes.resize(at + sizeof value);
    std::memcpy(bytes.data() + at, &value, sizeof value);
}

std::vector<std::byte> one_value(Type type, double value) {
    std::vector<std::byte> bytes;
    switch (type) {
        case Type::boolean:
        case Type::u8:
            append(bytes, static_cast<std::uint8_t>(value));
            break;
        case Type::i32:
            append(bytes, static_cast<std::int32_t>(value));
            break;
        case Type::i64:
            append(bytes, static_cast<std::int64_t>(value));
            break;
        case Type::f16:
            append(bytes, to_float16(static_cast<float>(value)));
            break;
        case Type::bf16:
            append(bytes, to_bfloat16(static_cast<float>(value)));
            break;
        case Type::f32:
            append(bytes, static_cast<float>(value));
            break;
        case Type::f64:
            append(bytes, value);
            break;
    }
    return bytes;
}

/// numcodecs' Shuffle: the first bytes of all values, then the second ones, ...
void shuffle(std::span<std::byte const> bytes, std::size_t width, std::vector<std::byte>& out) {
    auto const count = bytes.size() / width;
    out.resize(bytes.size());
    for (std::size_t b = 0; b < width; ++b)
        for (std::size_t i = 0; i < count; ++i) out[b * count + i] = bytes[i * width + b];
}

void write_json(fs::path const& file, nlohmann::json const& json) {
    auto const text = json.dump(1);
    write_file(file, std::as_bytes(std::span(text)));
}

nlohmann::json compressor() {
    return nlohmann::json::object({{"id", "zlib"}, {"level", kLevel}});
}

nlohmann::json filters(nlohmann::json filter) {
    auto list = nlohmann::json::array();
    list.push_back(std::move(filter));
    return list;
}

}  // namespace

std::uint64_t zarr_chunk_rows(Type type, std::span<std::uint64_t const> shape) {
    std::uint64_t row_bytes = size_of(type);
    for (auto const extent : shape.subspan(1)) row_bytes *= extent;
    auto const rows = kChunkBytes / std::max<std::uint64_t>(1, row_bytes);
    return std::clamp<std::uint64_t>(rows, 1, std::max<std::uint64_t>(1, shape.front()));
}

struct ZarrFolder::State {
    State(fs::path const& target, bool may_overwrite)
        : draft(target, system_io()), overwrite(may_overwrite), deflater(kLevel) {}
    FolderDraft draft;
    bool overwrite;
    Deflater deflater;
    std::vector<std::byte> compressed;

    void write_chunk(fs::path const& file, std::span<std::byte const> bytes) {
        deflater.zlib(bytes, compressed);
        write_file(file, compressed);
    }
};

struct ZarrFolder::Rows::State {
    ZarrFolder::State* folder = nullptr;
    fs::path path;
    std::string tail;  ///< of a chunk's name: ".0.0"
    std::uint64_t rows = 0;
    std::uint64_t chunk_rows = 1;
    std::uint64_t row_bytes = 1;
    std::size_t width = 1;
    std::vector<std::byte> fill;
    std::uint64_t taken = 0;  ///< rows
    std::vector<std::byte> chunk;
    std::vector<std::byte> shuffled;

    /// A chunk has its full size in the file, also the last one of an array.
    void write(std::uint64_t number) {
        while (chunk.size() < chunk_rows * row_bytes) chunk.insert(chunk.end(), fill.begin(), fill.end());
        bool is_fill = true;
        for (std::size_t at = 0; at < chunk.size() && is_fill; at += width)
            is_fill = std::memcmp(chunk.data() + at, fill.data(), width) == 0;
        if (!is_fill) {
            auto const file = path / fmt::format("{}{}", number, tail);
            if (width > 1) shuffle(chunk, width, shuffled);
            folder->write_chunk(file, width > 1 ? shuffled : chunk);
        }
        chunk.clear();
    }
};

ZarrFolder::ZarrFolder(fs::path const& target, bool overwrite) {
    require_new_folder(target, overwrite);
    state_ = std::make_unique<State>(target, overwrite);
    group("");
}
ZarrFolder::ZarrFolder(ZarrFolder&&) noexcept = default;
ZarrFolder& ZarrFolder::operator=(ZarrFolder&&) noexcept = default;
ZarrFolder::~ZarrFolder() = default;

void ZarrFolder::group(std::string const& path, nlohmann::json const& attributes) {
    fs::path here = state_->draft.path();
    auto const make = [&here] {
        std::error_code code;
        fs::create_directory(here, code);
        if (code) throw Error(Origin::system, fmt::format("making {}: {}", here.string(), code.message()));
        if (!fs::exists(here / ".zgroup"))
            write_json(here / ".zgroup", nlohmann::json::object({{"zarr_format", 2}}));
    };
    make();
    for (auto const& part : fs::path(path)) {
        here /= part;
        make();
    }
    if (!attributes.empty()) write_json(here / ".zattrs", attributes);
}

void ZarrFolder::strings(std::string const& path, std::span<std::string const> values) {
    group(fs::path(path).parent_path().string());
    auto const folder = state_->draft.path() / path;
    fs::create_directory(folder);
    auto const chunk_rows = std::clamp<std::uint64_t>(values.size(), 1, kStringsAChunk);
    write_json(folder / ".zarray", {{"zarr_format", 2},
                                    {"shape", {values.size()}},
                                    {"chunks", {chunk_rows}},
                                    {"dtype", "|O"},
                                    {"filters", filters(nlohmann::json::object({{"id", "vlen-utf8"}}))},
                                    {"compressor", compressor()},
                                    {"fill_value", ""},
                                    {"order", "C"}});
    std::vector<std::byte> chunk;
    for (std::uint64_t first = 0; first < values.size(); first += chunk_rows) {
        chunk.clear();
        append(chunk, static_cast<std::uint32_t>(chunk_rows));
        for (auto i = first; i < first + chunk_rows; ++i) {
            std::string_view const text =
                i < values.size() ? std::string_view(values[i]) : std::string_view();
            append(chunk, static_cast<std::uint32_t>(text.size()));
            auto const bytes = std::as_bytes(std::span(text));
            chunk.insert(chunk.end(), bytes.begin(), bytes.end());
        }
        state_->write_chunk(folder / std::to_string(first / chunk_rows), chunk);
    }
}

ZarrFolder::Rows ZarrFolder::rows(ZarrArray const& array) {
    ensure(!array.shape.empty() && array.chunk_rows > 0, array.path + ": no shape");
    group(fs::path(array.path).parent_path().string());
    auto rows = std::make_unique<Rows::State>();
    rows->folder = state_.get();
    rows->path = state_->draft.path() / array.path;
    rows->rows = array.shape.front();
    rows->chunk_rows = array.chunk_rows;
    rows->width = size_of(array.type);
    rows->row_bytes = rows->width;
    rows->fill = one_value(array.type, array.fill);
    auto chunks = array.shape;
    chunks.front() = array.chunk_rows;
    for (std::size_t axis = 1; axis < array.shape.size(); ++axis) {
        rows->row_bytes *= array.shape[axis];
        rows->tail += ".0";
    }
    fs::create_directory(rows->path);
    nlohmann::json by_byte;  // null: none
    if (rows->width > 1)
        by_byte = filters(nlohmann::json::object({{"id", "shuffle"}, {"elementsize", rows->width}}));
    write_json(rows->path / ".zarray", {{"zarr_format", 2},
                                        {"shape", array.shape},
                                        {"chunks", chunks},
                                        {"dtype", zarr_type(array.type)},
                                        {"filters", by_byte},
                                        {"compressor", compressor()},
                                        {"fill_value", fill_json(array.type, array.fill)},
                                        {"order", "C"},
                                        {"dimension_separator", "."}});
    if (!array.attributes.empty()) write_json(rows->path / ".zattrs", array.attributes);
    return Rows(std::move(rows));
}

void ZarrFolder::place() {
    state_->draft.place(state_->overwrite);
}

ZarrFolder::Rows::Rows(std::unique_ptr<State> state) : state_(std::move(state)) {}
ZarrFolder::Rows::Rows(Rows&&) noexcept = default;
ZarrFolder::Rows& ZarrFolder::Rows::operator=(Rows&&) noexcept = default;
ZarrFolder::Rows::~Rows() = default;

void ZarrFolder::Rows::add(std::span<std::byte const> rows) {
    auto& state = *state_;
    ensure(rows.size() % state.row_bytes == 0, state.path.string() + ": no whole rows");
    while (!rows.empty()) {
        auto const room = state.chunk_rows * state.row_bytes - state.chunk.size();
        auto const part = rows.first(std::min<std::size_t>(room, rows.size()));
        state.chunk.insert(state.chunk.end(), part.begin(), part.end());
        rows = rows.subspan(part.size());
        state.taken += part.size() / state.row_bytes;
        ensure(state.taken <= state.rows, state.path.string() + ": more rows than its shape says");
        if (state.taken % state.chunk_rows == 0) state.write(state.taken / state.chunk_rows - 1);
    }
}

void ZarrFolder::Rows::finish() {
    auto& state = *state_;
    ensure(state.taken == state.rows, state.path.string() + ": fewer rows than its shape says");
    if (!state.chunk.empty()) state.write(state.taken / state.chunk_rows);
}

}  // namespace mpira::store

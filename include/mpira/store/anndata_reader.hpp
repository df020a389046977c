#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <nlohmann/json.hpp>

#include "mpira/base/mapped_file.hpp"
#include "mpira/store/layout.hpp"

namespace mpira::store {

/// What a stored numeric array is.
struct ArrayInfo {
    Type type = Type::f32;  ///< the nearest of ours; u16 and the like are given as the next larger one
    std::vector<std::uint64_t> shape;
    /// Byte offset in the file when the values lie there as they are: contiguous, little-endian, exactly
    /// `type`.
    std::optional<std::uint64_t> offset;
    [[nodiscard]] std::uint64_t size() const;
};

/// Strings of few kinds: values[i] = categories[codes[i]], code -1: no value.
struct Categories {
    std::vector<std::int32_t> codes;
    std::vector<std::string> categories;
};

/// The bits of an IEEE half (numpy float16), for MappedArray.
enum class Half : std::uint16_t {};

template <typename T>
concept ArrayElement = std::same_as<T, float> || std::same_as<T, double> || std::same_as<T, std::int32_t> ||
    std::same_as<T, std::int64_t> || std::same_as<T, std::uint8_t> || std::same_as<T, Half>;

/// An array of a file: a view into the mapped file where the bytes lie there as they are (no private memory,
/// the page cache is the node's one copy), memory of its own otherwise. Row-major. Movable; shares the
/// mapping. Threads: reading is free for all.
template <ArrayElement T>
class MappedArray {
public:
    MappedArray() = default;
    MappedArray(std::shared_ptr<void const> keeper, std::span<T const> values,
                std::vector<std::uint64_t> shape, bool mapped)
        : keeper_(std::move(keeper)), values_(values), shape_(std::move(shape)), mapped_(mapped) {}

    [[nodiscard]] std::span<T const> values() const noexcept { return values_; }
    [[nodiscard]] std::span<std::uint64_t const> shape() const noexcept { return shape_; }
    [[nodiscard]] bool is_mapped() const noexcept { return mapped_; }
    /// Values of row r of the first axis.
    [[nodiscard]] std::span<T const> row(std::uint64_t r) const {
        std::uint64_t const width = shape_.empty() || shape_[0] == 0 ? 0 : values_.size() / shape_[0];
        return values_.subspan(r * width, width);
    }

private:
    std::shared_ptr<void const> keeper_;
    std::span<T const> values_;
    std::vector<std::uint64_t> shape_;
    bool mapped_ = false;
};

/// Reads an AnnData .h5ad, ours or Python's (chunked, compressed, categorical). Needs no MPI.
///
/// Paths are as in HDF5, without a leading slash: "X", "obsm/accessibility", "uns/motifs". Errors:
/// Origin::usage naming file and dataset, for a missing, truncated or foreign file, a missing dataset, and
/// one of another kind than asked for; no allocation is larger than the file can justify. Move-only. Threads:
/// one at a time, and no other HDF5 user at the same time in the process; MappedArrays are free of both.
class AnnDataReader {
public:
    explicit AnnDataReader(std::filesystem::path const& file);
    AnnDataReader(AnnDataReader&& other) noexcept;
    AnnDataReader& operator=(AnnDataReader&& other) noexcept;
    AnnDataReader(AnnDataReader const&) = delete;
    AnnDataReader& operator=(AnnDataReader const&) = delete;
    ~AnnDataReader();

    [[nodiscard]] std::filesystem::path const& file() const noexcept;

    [[nodiscard]] bool contains(std::string_view path) const;
    /// Names of a group's members, in alphabetical order; "" is the root. A missing group: none.
    [[nodiscard]] std::vector<std::string> keys(std::string_view group) const;
    /// The attribute encoding-type: "array", "dataframe", "categorical", ...; "" without one.
    [[nodiscard]] std::string encoding(std::string_view path) const;

    /// The index of a data frame ("obs", "var"). Integer indexes are given as text.
    [[nodiscard]] std::vector<std::string> index(std::string_view frame) const;
    /// What the frame calls its index: "element".
    [[nodiscard]] std::string index_name(std::string_view frame) const;
    /// The columns of a data frame in their order, without the index.
    [[nodiscard]] std::vector<std::string> columns(std::string_view frame) const;
    /// Length of obs and of var.
    [[nodiscard]] std::uint64_t rows() const;
    [[nodiscard]] std::uint64_t variables() const;

    /// A string-array, a categorical of strings (no value: ""), or a nullable-string-array.
    [[nodiscard]] std::vector<std::string> strings(std::string_view path) const;
    /// What names something, such as a cluster: as strings(), and whole numbers and booleans ("True") in the
    /// same forms as text. Floats are refused.
    [[nodiscard]] std::vector<std::string> labels(std::string_view path) const;
    /// The same without a copy of a string a row.
    [[nodiscard]] Categories categories(std::string_view path) const;
    /// Any integers or booleans.
    [[nodiscard]] std::vector<std::int64_t> integers(std::string_view path) const;
    /// Any numbers.
    [[nodiscard]] std::vector<double> numbers(std::string_view path) const;

    /// Of an array of any integers, or any numbers, the rows [first, first + count) of its first axis: for
    /// arrays that memory doesn't hold.
    [[nodiscard]] std::vector<std::int64_t> integers(std::string_view path, std::uint64_t first,
                                                     std::uint64_t count) const;
    [[nodiscard]] std::vector<double> numbers(std::string_view path, std::uint64_t first,
                                              std::uint64_t count) const;

    /// Shape and type of a dense numeric array; a sparse one is refused by name.
    [[nodiscard]] ArrayInfo info(std::string_view path) const;
    /// A dense array of any shape. Stored floats are converted to the asked float type, integers to the asked
    /// integer type if it is wide enough; anything else is refused by name.
    template <ArrayElement T>
    [[nodiscard]] MappedArray<T> array(std::string_view path) const;

    /// A scalar.
    [[nodiscard]] std::string text(std::string_view path) const;
    [[nodiscard]] double number(std::string_view path) const;

    /// A group (or dataset) of uns as JSON: dicts, scalars, strings, and lists. Arrays of more than 65,536
    /// values and encodings that JSON has no like of become null.
    [[nodiscard]] nlohmann::json json(std::string_view path = "uns") const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace mpira::store

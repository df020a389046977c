#pragma once

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/mapped_file.hpp"
#include "mpira/store/anndata_reader.hpp"

#include "store/hdf5.hpp"

namespace mpira::store {

/// The type we give to a stored one, and whether it is exactly that.
struct FoundType {
    Type type;
    bool exact;
};
/// Nothing for what is no number.
std::optional<FoundType> find_type(hid_t stored);
/// numpy's name of it: "float32".
std::string_view numpy_name(Type type);

/// Datasets and groups of one HDF5 file of unknown origin, each read whole. Knows nothing of AnnData but the
/// attribute encoding-type.
///
/// What is wrong with the file is a usage error naming file and object; nothing is allocated that the file's
/// size can't justify. Threads: as AnnDataReader.
class DatasetReader {
public:
    explicit DatasetReader(std::filesystem::path const& file);

    [[nodiscard]] std::filesystem::path const& path() const { return path_; }
    [[noreturn]] void refuse(std::string_view object, std::string_view what) const;
    /// Runs HDF5 code about one object: what HDF5 says about a broken file is the file's fault.
    template <typename Body>
    auto about(std::string_view object, Body const& body) const {
        try {
            return body();
        } catch (Error const& error) {
            if (error.origin() != Origin::hdf5) throw;
            refuse(object, fmt::format("can't be read ({})", error.what()));
        }
    }

    [[nodiscard]] bool contains(std::string_view object) const { return h5::exists(file_.get(), object); }
    [[nodiscard]] h5::Object open(std::string_view object) const;
    [[nodiscard]] h5::Object open_dataset(std::string_view object) const;
    [[nodiscard]] bool is_group(std::string_view object) const;
    [[nodiscard]] std::string encoding(std::string_view object) const;
    /// Names of an open group's members by hard links, in alphabetical order; "" opens the root.
    [[nodiscard]] std::vector<std::string> members(std::string_view group) const;
    /// The whole file, mapped when first asked for.
    [[nodiscard]] std::shared_ptr<MappedFile> map();

    [[nodiscard]] ArrayInfo info(std::string_view object) const;
    [[nodiscard]] ArrayInfo info_of(std::string_view object, hid_t dataset) const;
    [[nodiscard]] std::vector<std::string> string_array(std::string_view object) const;

    /// All values of a dataset, converted by HDF5 to `memory_type`.
    template <typename T>
    [[nodiscard]] std::vector<T> read(std::string_view object, hid_t dataset, hid_t memory_type,
                                      std::span<std::uint64_t const> shape) const {
        require_plausible(object, dataset, shape, sizeof(T));
        std::vector<T> values(
            std::accumulate(shape.begin(), shape.end(), std::size_t{1}, std::multiplies<>()));
        if (!values.empty())
            h5::check(H5Dread(dataset, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), "H5Dread");
        return values;
    }
    /// Any integers or booleans, on request floats too, as `T`, whose HDF5 type is `memory_type`.
    template <typename T>
    [[nodiscard]] std::vector<T> as(std::string_view object, hid_t memory_type, bool floats_too) const {
        return about(object, [&] {
            auto const dataset = open_dataset(object);
            auto const found = info_of(object, dataset.get());
            if (!floats_too && is_float(found.type))
                refuse(object, fmt::format("is {}, not integers", numpy_name(found.type)));
            if (found.type == Type::boolean) {
                h5::Datatype const stored(h5::check(H5Dget_type(dataset.get()), "H5Dget_type"));
                auto const bytes = read<std::uint8_t>(object, dataset.get(), stored.get(), found.shape);
                return std::vector<T>(bytes.begin(), bytes.end());
            }
            return read<T>(object, dataset.get(), memory_type, found.shape);
        });
    }

    /// Rows [first, first + count) of an array of numbers as `T`; integers for an integer type.
    template <typename T>
    [[nodiscard]] std::vector<T> rows_as(std::string_view object, hid_t memory_type, std::uint64_t first,
                                         std::uint64_t count) const {
        return about(object, [&] {
            auto const dataset = open_dataset(object);
            auto const found = info_of(object, dataset.get());
            if (found.type == Type::boolean || (std::integral<T> && is_float(found.type)))
                refuse(object, fmt::format("is {}, not {}", numpy_name(found.type),
                                           std::integral<T> ? "integers" : "numbers"));
            if (found.shape.empty() || first > found.shape[0] || count > found.shape[0] - first)
                refuse(object, fmt::format("has no rows {} to {}", first, first + count));
            std::vector<hsize_t> begin(found.shape.size(), 0);
            std::vector<hsize_t> extent(found.shape.begin(), found.shape.end());
            begin[0] = first;
            extent[0] = count;
            std::vector<T> values(
                std::accumulate(extent.begin(), extent.end(), std::size_t{1}, std::multiplies<>()));
            if (values.empty()) return values;
            h5::Space const space(h5::check(H5Dget_space(dataset.get()), "H5Dget_space"));
            h5::check(H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, begin.data(), nullptr, extent.data(),
                                          nullptr),
                      "H5Sselect_hyperslab");
            h5::Space const memory(
                h5::check(H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr),
                          "H5Screate_simple"));
            h5::check(
                H5Dread(dataset.get(), memory_type, memory.get(), space.get(), H5P_DEFAULT, values.data()),
                "H5Dread");
            return values;
        });
    }

private:
    /// Refuses a shape that the bytes in the file can't fill, before anything is allocated for it.
    void require_plausible(std::string_view object, hid_t dataset, std::span<std::uint64_t const> shape,
                           std::uint64_t element_bytes) const;

    std::filesystem::path path_;
    h5::File file_;
    std::uint64_t file_bytes_ = 0;
    std::shared_ptr<MappedFile> mapping_;
};

}  // namespace mpira::store

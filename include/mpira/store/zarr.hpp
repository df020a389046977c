#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "mpira/store/layout.hpp"

/// Zarr version 2 (https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html): groups and arrays as folders,
/// metadata as JSON, a file a chunk. Serial, no MPI, no HDF5.
namespace mpira::store {

struct ZarrArray {
    std::string path;  ///< "jacobians/exp/0/input/region_motif"; groups above it are made
    Type type = Type::f32;
    std::vector<std::uint64_t> shape;  ///< C order
    std::uint64_t chunk_rows = 1;      ///< of the first axis; the other axes are not cut
    double fill = 0;                   ///< what chunks that are not there hold; NaN is allowed for floats
    nlohmann::json attributes = nlohmann::json::object();
};

/// Rows of the first axis that make chunks of about 1 MiB.
std::uint64_t zarr_chunk_rows(Type type, std::span<std::uint64_t const> shape);

/// A folder of zarr groups, written aside and renamed: nothing half-written ever has the name `target`.
///
/// Chunks are shuffled by byte and compressed as zlib streams, which every zarr reader knows; a chunk of
/// nothing but the fill value is left out. The same content gives the same bytes. What a killed writer leaves
/// (.NAME.<16 digits>.draft) is removed by the next one. Errors: Origin::usage for a target that exists
/// (without `overwrite`) or that lies in no folder, Origin::system naming the file that can't be written.
/// Move-only. Threads: one at a time.
class ZarrFolder {
public:
    explicit ZarrFolder(std::filesystem::path const& target, bool overwrite = false);
    ZarrFolder(ZarrFolder&&) noexcept;
    ZarrFolder& operator=(ZarrFolder&&) noexcept;
    /// Deletes what was written, unless place() was reached.
    ~ZarrFolder();

    /// Makes a group and those above it, or sets the attributes of one that is there; "" is the root.
    void group(std::string const& path, nlohmann::json const& attributes = nlohmann::json::object());
    /// One-dimensional, of any length each (codec vlen-utf8).
    void strings(std::string const& path, std::span<std::string const> values);

    /// Takes the rows of an array in their order and writes each chunk when it is full. Holds one chunk.
    class Rows {
    public:
        Rows(Rows&&) noexcept;
        Rows& operator=(Rows&&) noexcept;
        ~Rows();
        /// Any number of whole rows.
        void add(std::span<std::byte const> rows);
        template <typename T>
        void add(std::span<T const> values) {
            add(std::as_bytes(values));
        }
        /// Writes the last chunk. Fewer or more rows than the array has are a mistake of ours.
        void finish();

    private:
        friend class ZarrFolder;
        struct State;
        explicit Rows(std::unique_ptr<State> state);
        std::unique_ptr<State> state_;
    };
    /// Makes an array. The folder must outlive the Rows.
    Rows rows(ZarrArray const& array);

    /// Syncs the file system, then gives the folder its name. An existing one becomes TARGET.old.
    void place();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace mpira::store

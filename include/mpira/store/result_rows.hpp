#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

#include "mpira/store/layout.hpp"

namespace mpira::store {

/// The row arrays of a result file read block by block, whether it is sealed (compressed) or not: memory is
/// what is asked for. Serial, only reads, needs no MPI.
///
/// Errors: Origin::usage naming file and array. Move-only. Threads: as AnnDataReader.
class ResultRows {
public:
    explicit ResultRows(std::filesystem::path const& file);
    ResultRows(ResultRows&&) noexcept;
    ResultRows& operator=(ResultRows&&) noexcept;
    ~ResultRows();

    /// As the campaign made it; fixed arrays without their values.
    [[nodiscard]] ResultLayout const& layout() const noexcept;
    /// The row array of this path, or nullptr.
    [[nodiscard]] RowArray const* find(std::string_view path) const noexcept;
    /// Rows [first, first + count) of a row array, as they are stored. `bytes` is replaced.
    void read(std::string_view path, std::uint64_t first, std::uint64_t count,
              std::vector<std::byte>& bytes) const;
    /// The same as doubles, whatever number is stored.
    void read(std::string_view path, std::uint64_t first, std::uint64_t count,
              std::vector<double>& values) const;
    /// Whether the campaign reached its end, which may write more than rows (Job::finish).
    [[nodiscard]] bool finished() const noexcept;
    /// One flag a row: whether its unit is done.
    [[nodiscard]] std::vector<bool> done() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace mpira::store

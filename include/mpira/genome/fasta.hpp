#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace mpira::genome {

/// An indexed FASTA file (.fa, or .fa.gz written by bgzip), read piece by piece: nothing of the sequence is
/// kept, so a rank holds no more of the genome than what it fetched.
///
/// The .fai (and .gzi) beside the file are used; when missing or older than the file they are made, beside it
/// where the folder can be written and in a private temporary folder, removed by the destructor, where it
/// can't. Any number of processes may do so at once (written aside, then renamed).
///
/// Owner, move-only. Threads: one at a time (htslib's file position is shared).
/// Errors: Origin::usage, naming the file and the line or the sequence and position. A plain gzip is refused
/// with the hint to use bgzip.
class Fasta {
public:
    explicit Fasta(std::filesystem::path const& file);
    ~Fasta();
    Fasta(Fasta&&) noexcept;
    Fasta& operator=(Fasta&&) noexcept;
    Fasta(Fasta const&) = delete;
    Fasta& operator=(Fasta const&) = delete;

    [[nodiscard]] std::filesystem::path const& file() const noexcept;
    /// Sequence names, the header's first word, in file order.
    [[nodiscard]] std::span<std::string const> names() const noexcept;
    [[nodiscard]] std::span<std::int64_t const> lengths() const noexcept;
    [[nodiscard]] std::size_t size() const noexcept { return names().size(); }
    [[nodiscard]] std::optional<std::size_t> find(std::string_view name) const;

    /// Bases [start, end), 0-based, as upper-case A, C, G, T, N. Soft-masked (lower-case) bases are kept. The
    /// other IUPAC letters (RYSWKMBDHVU) become N and are counted; anything else is refused by sequence name
    /// and 1-based position. A range outside the sequence is refused.
    std::string fetch(std::size_t index, std::int64_t start, std::int64_t end);
    std::string fetch(std::string_view name, std::int64_t start, std::int64_t end);

    /// IUPAC letters turned into N by all fetches so far (a letter fetched twice counts twice).
    [[nodiscard]] std::uint64_t ambiguous_letters() const noexcept;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace mpira::genome

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "mpira/genome/regions.hpp"
#include "mpira/genome/scan_model.hpp"

namespace mpira::genome {

/// A word that reached its motif's threshold.
struct Hit {
    std::int32_t motif = 0;
    std::int64_t position = 0;  ///< of its leftmost base in the sequence as given, on either strand
    char strand = '+';
    std::int32_t score = 0;  ///< thousandths of a bit
    constexpr auto operator<=>(Hit const&) const = default;
};

/// Which machine instructions look for candidates; results are the same bits with each.
enum class Kernel { automatic, portable, avx2, avx512 };
[[nodiscard]] bool is_available(Kernel kernel);
[[nodiscard]] std::string_view name_of(Kernel kernel);

/// Scans sequences for all motifs of a model, on both strands.
///
/// Feature f of a sequence = sum over positions of max(0, best score of f's motifs and both strands whose
/// word starts there, lies wholly inside, and reaches its threshold) / 1000: the value of
/// ../shared/spec/get.md 2.1 and 4. Sums are of integers, converted once, so the bits depend on the sequence
/// and the model alone. Letters other than ACGT (either case) are in no word.
///
/// Method: a word's loss against the best word is bounded from below by 8-bit tables of letter pairs, added
/// up for 16 to 64 positions at once; the few words whose bound does not exceed the allowed loss are scored
/// exactly. Threads: all functions are const and free for concurrent use.
class Scanner {
public:
    explicit Scanner(ScanModel model, Kernel kernel = Kernel::automatic);
    ~Scanner();
    Scanner(Scanner&&) noexcept;
    Scanner& operator=(Scanner&&) noexcept;
    Scanner(Scanner const&) = delete;
    Scanner& operator=(Scanner const&) = delete;

    [[nodiscard]] ScanModel const& model() const noexcept;
    [[nodiscard]] std::size_t feature_count() const noexcept { return model().feature_count(); }
    [[nodiscard]] Kernel kernel() const noexcept;

    /// out: (features), overwritten.
    void features(std::string_view sequence, std::span<float> out) const;

    /// Features of many windows of one piece of a chromosome, in about one pass over the bases they cover.
    ///
    /// `piece` is the chromosome's bases from `piece_start` on. Windows are sorted by start, may overlap, are
    /// of one chromosome and lie inside the piece (else: ensure). out: (windows, features), row-major,
    /// overwritten; row w equals features() of window w's bases, bit for bit.
    void features_of_windows(std::string_view piece, std::int64_t piece_start,
                             std::span<Region const> windows, std::span<float> out) const;

    /// All hits, sorted by motif, position, strand.
    [[nodiscard]] std::vector<Hit> hits(std::string_view sequence) const;

    /// Per motif, the best score of any word on either strand, whatever the threshold; kNoWord where the
    /// sequence has no whole word of ACGT.
    [[nodiscard]] std::vector<std::int32_t> best_scores(std::string_view sequence) const;
    static constexpr std::int32_t kNoWord = -2147483647 - 1;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace mpira::genome

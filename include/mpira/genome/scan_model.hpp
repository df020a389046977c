#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mpira/genome/motifs.hpp"

namespace mpira::genome {

class Fasta;

/// Probabilities of A, C, G, T; positive, sum 1.
using Background = std::array<double, 4>;
inline constexpr Background kUniformBackground{0.25, 0.25, 0.25, 0.25};

/// Counts of A, C, G, T. Exact, so the background does not depend on the cut into pieces.
class Composition {
public:
    void add(std::string_view sequence);  ///< either case; other letters are not counted
    [[nodiscard]] std::array<std::int64_t, 4> const& counts() const noexcept { return counts_; }
    /// A = T and C = G, as of both strands together. Refused when a base never occurs.
    [[nodiscard]] Background symmetrised() const;

private:
    std::array<std::int64_t, 4> counts_{};
};

/// The symmetrised composition of all sequences of a file, read by pieces of 1 Mb.
Background background_of(Fasta& fasta);
/// "0.2836,0.2164,0.2164,0.2836" -> background, scaled to sum 1 (given within 1 %); none of anything else.
std::optional<Background> parse_background(std::string_view text);

/// What to do with a motif none of whose words is rare enough for the p-value (78 of the 286 insect motifs at
/// 1e-4).
enum class ShortMotifs {
    best_word,  ///< its threshold is its best word's score, so that its column is not constant 0
    drop        ///< it never hits; its feature column stays
};

struct ScanSettings {
    double p_value = 1e-4;  ///< in (0, 1)
    /// Sum of pseudocounts a column gets, shared out by the background. Nothing: sqrt(n), n the column's sum.
    std::optional<double> pseudocount{};
    ShortMotifs short_motifs = ShortMotifs::best_word;
    std::int64_t scan_length = 500;  ///< bp of a window, centred on its region; 0: the region; not used here
};

/// Everything that decides the features of a sequence: plain arrays, so that an atlas file can carry them.
///
/// Scores are integers, thousandths of a bit: I = rint(1000 * log2(P / background)) with
/// P = (count + background * c) / (n + c), n the column's sum, c the pseudocount
/// (../shared/spec/default-data.md 1). A word's score is the sum of I; it hits when score >= threshold.
struct ScanModel {
    std::vector<std::string> motif_ids;
    std::vector<std::string> motif_names;
    std::vector<std::int32_t> widths;      ///< (motifs)
    std::vector<std::int32_t> matrices;    ///< (sum of widths, 4): one motif after the other, by position
    std::vector<std::int32_t> thresholds;  ///< (motifs); kNever: the motif never hits
    std::vector<std::int32_t> features;    ///< (motifs): index into feature_names
    std::vector<std::string> feature_names;
    Background background = kUniformBackground;
    double p_value = 1e-4;
    std::int64_t scan_length = 500;

    static constexpr std::int32_t kNever = 2147483647;
    static constexpr std::int32_t kMaxWidth = 64;

    [[nodiscard]] std::size_t motif_count() const noexcept { return widths.size(); }
    [[nodiscard]] std::size_t feature_count() const noexcept { return feature_names.size(); }
    /// The (width, 4) matrix of motif m. Walks the widths: not for inner loops.
    [[nodiscard]] std::span<std::int32_t const> matrix(std::size_t m) const;

    /// Names the content: every array and number above. Equal models, equal hashes.
    [[nodiscard]] std::string hash() const;
    /// Refuses arrays that disagree in size, indices out of range, names given twice, a background that is
    /// none; `source` names the file they came from.
    void check(std::string_view source) const;
};

/// Builds the model. Motifs of feature -1 are left out. Refused: widths over kMaxWidth, an empty set,
/// settings out of range.
ScanModel make_scan_model(std::span<Motif const> motifs, MotifFeatures const& features,
                          Background const& background, ScanSettings const& settings);

/// The integer log-odds of a motif, (width, 4).
std::vector<std::int32_t> log_odds(Motif const& motif, Background const& background,
                                   std::optional<double> pseudocount);

/// The smallest score t of any word with P(S >= t) <= p_value for a random word of the background, from the
/// exact distribution of the integer scores (dynamic programming over columns); nothing when even the best
/// word is more frequent.
std::optional<std::int32_t> threshold_for(std::span<std::int32_t const> matrix, Background const& background,
                                          double p_value);

}  // namespace mpira::genome

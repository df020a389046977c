#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <Eigen/Core>

/// How well a predicted network of motifs agrees with known interactions of proteins (rows 54, 55, 57 and 123
/// of spec/systems.md). Threads: reading is free for all.
namespace mpira::jobs {

/// Which transcription factors bind a motif: a factor may stand for several motifs, and a motif for several
/// factors.
class Annotation {
public:
    /// Each motif stands for the factor that has its name.
    explicit Annotation(std::span<std::string const> motifs);
    /// TSV of motif and factor, a line a pair; further columns are ignored, # lines are comments. Motifs
    /// without a line have no factor. Refused by file and line: fewer than two fields, a motif that isn't one
    /// of `motifs` unless it is in `ignored`; by file: no line at all.
    Annotation(std::filesystem::path const& file, std::span<std::string const> motifs,
               std::span<std::string const> ignored);

    [[nodiscard]] std::uint32_t motif_count() const noexcept { return motif_count_; }
    /// (motif, factor), each once, by motif, then in the order of the file.
    [[nodiscard]] std::vector<std::pair<std::uint32_t, std::string>> const& pairs() const noexcept {
        return pairs_;
    }
    /// Motifs of a factor; none for one that isn't known.
    [[nodiscard]] std::span<std::uint32_t const> motifs_of(std::string_view factor) const;

private:
    void add(std::uint32_t motif, std::string_view factor);
    std::uint32_t motif_count_;
    std::vector<std::pair<std::uint32_t, std::string>> pairs_;
    std::unordered_map<std::string, std::vector<std::uint32_t>> motifs_of_;
};

/// Known interactions as pairs of motifs, without direction.
class Truth {
public:
    Truth(std::string name, std::uint32_t motifs)
        : name_(std::move(name)), tested_(motifs, 0), pairs_(std::uint64_t{motifs} * motifs, 0) {}

    /// These motifs could interact: they belong to a protein that was tested.
    void test(std::span<std::uint32_t const> motifs);
    /// Those of one interact with those of the other; both were tested. A motif doesn't pair with itself.
    void connect(std::span<std::uint32_t const> one, std::span<std::uint32_t const> other);

    [[nodiscard]] std::string const& name() const noexcept { return name_; }
    [[nodiscard]] std::uint32_t motif_count() const noexcept {
        return static_cast<std::uint32_t>(tested_.size());
    }
    [[nodiscard]] bool is_tested(std::uint32_t motif) const { return tested_[motif] != 0; }
    [[nodiscard]] bool is_pair(std::uint32_t one, std::uint32_t other) const {
        return pairs_[std::uint64_t{one} * tested_.size() + other] != 0;
    }
    [[nodiscard]] std::uint64_t tested_count() const;
    [[nodiscard]] std::uint64_t pair_count() const;  ///< unordered

private:
    std::string name_;
    std::vector<std::uint8_t> tested_;
    std::vector<std::uint8_t> pairs_;
};

/// STRING's links (protein1 protein2 ... combined_score, blanks between, with their header): pairs with a
/// combined score above `above`. `names`: STRING's info file (#string_protein_id, preferred_name), by which
/// proteins are named; empty: the links hold the names of factors themselves. A protein that the links hold
/// counts as tested. Refused by file and line: a header without those columns, too few fields, a score that
/// isn't a number, a protein that `names` lacks; by file: no pair of two motifs.
Truth read_string(std::filesystem::path const& links, std::filesystem::path const& names, double above,
                  Annotation const& annotation);

/// TSV of two names, a line a pair; further columns are ignored, # lines are comments. A name in the file
/// counts as tested. Refused by file and line: fewer than two fields; by file: no pair of two motifs.
Truth read_pairs(std::filesystem::path const& file, std::string name, Annotation const& annotation);

/// A predicted network against a truth. Candidates are the unordered pairs of tested motifs; they are called
/// strongest first until the share `recall` of the true ones is called (all of equal strength together);
/// pairs of strength 0 are never called.
struct Agreement {
    std::int64_t called = 0;
    double precision = 0;  ///< of those called, the share that is true; not a number where none is called
    double recall = 0;     ///< of those true, the share that is called
    double f1 = 0;         ///< 2 TP / (2 TP + FP + FN)
    double macro_f1 = 0;   ///< mean of that F1 and of the F1 of pairs not called: both classes count alike
    double motif_f1 = 0;   ///< mean of F1 over the motifs that have a true pair
};
/// `strength`: (motifs, motifs), of i on j and of j on i; the larger absolute value counts, what is not a
/// number is 0.
Agreement agreement(Eigen::MatrixXd const& strength, Truth const& truth, double recall);

}  // namespace mpira::jobs

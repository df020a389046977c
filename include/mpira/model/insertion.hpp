#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "mpira/model/predictor.hpp"

/// In-silico lentiMPRA (spec/get.md 4): an element's motif vector is added to one region of a window of the
/// genome, and the model is read at that region. No Torch in this header.
namespace mpira::model {

/// An atlas as a model reads it: a view, nothing is copied on the CPU (the mapped atlas stays the one copy of
/// the node), a GPU gets one scaled copy.
///
/// Row of region r: min(features[r] / scales, 1), then min(accessibility[r], 1). The spans must outlive the
/// predictor. With `rows` (those accessible in a cell type, say) windows are runs of consecutive entries of
/// it: place p is region rows[p], and window starts count places.
struct FeatureTable {
    std::int64_t regions = 0;
    std::int64_t motifs = 0;
    std::span<float const> features;        ///< (regions, motifs), row-major, finite
    std::span<float const> scales;          ///< (motifs), > 0; empty: features are scaled already
    std::span<float const> accessibility;   ///< (regions); empty: 1 in all rows
    std::span<std::uint32_t const> rows{};  ///< ascending, < regions; empty: all of them

    /// Rows that windows are cut from.
    [[nodiscard]] std::int64_t places() const {
        return rows.empty() ? regions : static_cast<std::int64_t>(rows.size());
    }
};

/// How insertions are computed. Everything here can move results by float noise, so all of it belongs in the
/// result file's identity.
struct InsertionOptions {
    std::int64_t window = 200;     ///< regions; a window starting at s holds regions [s, s + window)
    std::int64_t focus = 100;      ///< index in the window that gets the element and is read
    std::int64_t micro_batch = 8;  ///< windows a forward pass
    /// Exact shortcuts: equal to the plain forward within float noise (tests: 1e-6 relative).
    bool one_query = true;  ///< the last block finishes the focus token only (about 7 % of 12 blocks)
    bool shared_embedding =
        true;  ///< embedding, LayerNorm and QKV of block 1 once a region, not once a window
    /// The uninserted control depends on its window only: remembered for each window start (4 bytes x outputs
    /// a region), computed when first asked for.
    bool remember_uninserted = true;
    /// How many consecutive window starts are then predicted together, as a fixed block of starts: last bits
    /// depend on a window's place in its batch. 1 computes no window that isn't asked for; a GPU wants more.
    std::int64_t uninserted_batch = 1;
    /// What shared_embedding may take: regions x 4 dim x 4 bytes (f32). With less, it is left out and
    /// describe() says so; so this bound, too, belongs to the identity.
    std::int64_t shared_embedding_bytes = std::int64_t{1} << 30;
    /// > 0: every so many micro-batches are also run by the plain forward; a difference above 1e-4 relative
    /// (bf16: 0.05) ends the run as our fault. Doesn't affect results.
    std::int64_t check_every = 0;
};

/// Predicts insertions into windows of one table, at the focus only.
///
/// Owner, move-only. Holds the table on the device, the shared embeddings and its buffers. Threads: one call
/// at a time. The same call gives the same bits on the same CPU or GPU model, whatever was called before; an
/// insertion's bits may depend on its place in the call (micro-batches are cut from its start), those of an
/// uninserted control that is remembered do not.
class InsertionPredictor {
public:
    /// Refuses a table whose motifs are not the model's, a window that doesn't fit, scales that are not
    /// positive (Origin::usage), and, when a row is first read, features that are not finite. The model must
    /// have an expression or an accessibility head. With shared_embedding, all rows are read here.
    InsertionPredictor(Predictor predictor, FeatureTable const& table, InsertionOptions const& options);
    InsertionPredictor(InsertionPredictor&&) noexcept;
    InsertionPredictor& operator=(InsertionPredictor&&) noexcept;
    ~InsertionPredictor();

    [[nodiscard]] Predictor const& predictor() const noexcept;
    [[nodiscard]] InsertionOptions const& options() const noexcept;
    [[nodiscard]] std::int64_t outputs() const noexcept;
    [[nodiscard]] std::int64_t regions() const noexcept;
    /// What it holds beside the weights: shared embeddings and remembered controls.
    [[nodiscard]] std::int64_t table_bytes() const;
    /// "window 50, focus 25, micro-batch 16; one-query last block; shared embedding of 4,203 regions (1.0
    /// MiB)".
    [[nodiscard]] std::string describe() const;

    /// out[i] = the model at the focus of window i, where the focus row was replaced by
    /// min(row + vectors[vector_of[i]], 1) with accessibility 1; -1: no vector, but accessibility 1 just the
    /// same. All other rows are the table's.
    /// `window_starts` (n), each with start + window <= regions; `vectors` (k, motifs), scaled as the table;
    /// `vector_of` (n) in [-1, k); `out` (n, outputs). Looks at `stop` between micro-batches and throws
    /// Error(Origin::stopped). A call without vectors that repeats one of the last few isn't computed again.
    void predict(std::span<std::int64_t const> window_starts, std::span<float const> vectors,
                 std::span<std::int32_t const> vector_of, std::span<float> out, std::stop_token stop = {});

    struct State;
    [[nodiscard]] State& state() noexcept { return *state_; }

private:
    std::unique_ptr<State> state_;
};

/// Which numbers a screen gives an element. Decides the columns of the result.
struct ScreenShape {
    std::vector<std::string> outputs{};  ///< of the expression model: card().names_of_outputs()
    bool has_accessibility = false;      ///< an accessibility model is given
    bool uninserted = true;              ///< control: the same windows without an element
    bool shuffled = true;                ///< control: shuffled elements at the same sites
    std::vector<std::string> classes{};  ///< of sites ("promoter", "distal"); may be empty
};

/// Names of the statistics of one element, in their order:
///
/// for each quantity q, for each arm a: "q.a.mean", "q.a.sd" (ddof 1), "q.a.se" (sd / sqrt(n));
/// then for each class c: "insertions.c", and for each q and a: "q.a.mean.c".
/// Quantities: the outputs; "max" with two outputs (the larger strand of each insertion); with an
/// accessibility model "accessibility" and "<output>_x_accessibility", "max_x_accessibility", products taken
/// for each insertion before averaging. Arms: "element", "uninserted", "shuffled", and the paired differences
/// "element-uninserted", "element-shuffled". The standard errors treat insertions as independent draws: those
/// of the shuffled arm are conditional on the shuffles used.
std::vector<std::string> statistic_names(ScreenShape const& shape);

/// After how many insertions an early stop is considered.
inline constexpr std::array<std::size_t, 4> kStopLooks{64, 128, 256, 512};

/// One element at its sites.
struct ScreenInput {
    std::span<float const> element;               ///< (motifs), scaled as the table
    std::span<float const> shuffles;              ///< (k, motifs); insertion i uses shuffle i mod k
    std::span<std::int64_t const> window_starts;  ///< (n)
    std::span<std::int32_t const>
        site_classes{};  ///< (n), index in shape.classes; may be empty without classes
    /// > 0: the insertions end at the first of kStopLooks where the standard error of the paired difference
    /// element - uninserted is at most this for each output. Micro-batches are then cut at kStopLooks, too:
    /// whether another element stops changes nothing here, and an element that goes on to the end has what it
    /// has without this but for float noise.
    double stop_se = 0;
};

/// Predictions of each insertion, (n, outputs) of the expression model; empty spans are not filled.
struct RawPredictions {
    std::span<float> element{};
    std::span<float> uninserted{};
    std::span<float> shuffled{};
};

/// Predicts one element's insertions with all controls, returns how many were used (all of them without
/// stop_se; what lies behind in `raw` is NaN), and writes statistic_names(shape).size() values to
/// `statistics`: means and two-pass variances in double over predictions that stay on the device. A
/// statistic that isn't defined (sd of one insertion, mean of a class without insertions) is NaN.
/// `accessibility` may be null if the shape has none. Throws Error(Origin::stopped) between micro-batches
/// when asked to.
std::size_t screen_element(InsertionPredictor& expression, InsertionPredictor* accessibility,
                           ScreenShape const& shape, ScreenInput const& input, std::span<double> statistics,
                           RawPredictions const& raw = {}, std::stop_token stop = {});

}  // namespace mpira::model

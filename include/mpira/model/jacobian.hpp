#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "mpira/model/get_config.hpp"
#include "mpira/model/insertion.hpp"
#include "mpira/model/predictor.hpp"
#include "mpira/model/summary.hpp"

/// What the prediction at a gene's promoter owes to each feature of each region around it (Fu et al. 2025;
/// spec/get.md 3). No Torch in this header.
namespace mpira::model {

/// J: d out[focus, output] / d x, of one output; the published code's second strand is the sum of both
/// (spec/get.md 3), here nothing accumulates between samples or calls.
enum class Attribution : std::uint8_t {
    gradient,              ///< J
    gradient_x_input,      ///< J o x
    integrated_gradients,  ///< (x - x0) o mean of J along the line from x0 to x (Sundararajan et al. 2017);
                           ///< x0: all motifs 0, the sample's own accessibility
    knock_out              ///< out(x) - out(x with one feature set to 0): no gradients
};
std::string_view name_of(Attribution method);

/// How Jacobians are computed. Everything here can move results by float noise, so all of it belongs in the
/// result file's identity.
struct JacobianOptions {
    std::int64_t micro_batch = 4;  ///< windows a pass
    /// The last block computes the focus token only, forward and backward; removals share what block 1
    /// computes of each token alone. Exact.
    bool one_query = true;
    std::int64_t steps = 50;  ///< midpoints of integrated gradients
};

/// One sample: the window [first, first + size) of places, read at index `focus`, one output of the model.
struct JacobianWindow {
    std::int64_t first = 0;
    std::int64_t size = 0;
    std::int64_t focus = 0;
    std::int64_t output = 0;
};

/// One in-silico knock-out: a feature set to 0 in one region of the window, or in all of them.
struct KnockOut {
    static constexpr std::int64_t kAllRegions = -1;
    std::int64_t region = kAllRegions;  ///< index in the window
    std::int64_t feature = 0;
};

/// What becomes of a region that is taken from a window: the in-silico counterpart of silencing it (CRISPRi).
///
/// There is no positional code, so a gap needs no filling: with `close` the network attends to one region
/// fewer. No region from beyond the window comes in at its end: that one's own effect would be part of every
/// difference, and at the ends of chromosomes there is none.
enum class Removal : std::uint8_t {
    close,  ///< its token is gone
    zero    ///< its row is 0, accessibility too (a model that hides accessibility reads 1 there)
};
std::string_view name_of(Removal how);

/// Where a token can be read, in the order of the network, by the names of tensors in weights files:
/// "region_embed", "encoder.blocks.0" .. (behind the block's residuals), "encoder.norm" (what the head
/// reads).
std::vector<std::string> embedding_layers(GetConfig const& config);

/// Where results of n windows go; an empty span is not filled. R: the span of regions of one sample, at least
/// the largest window; what lies beyond a window's size is 0. F: features, accessibility last.
struct JacobianResult {
    std::int64_t regions = 0;         ///< R
    std::span<float> predictions{};   ///< (n, outputs), at the focus
    std::span<float> attributions{};  ///< (n, R, F), by the method asked for; not of knock_out
    std::span<float> gradients{};     ///< (n, R, F): J
    /// Summaries of the attributions, taken where those are: they need not travel from a GPU.
    std::span<Summary const> feature_summaries{};
    std::span<float> by_feature{};  ///< (n, feature summaries, F): each over the window's regions
    std::span<Summary const> region_summaries{};
    std::span<float> by_region{};        ///< (n, region summaries, R): each over a region's features
    std::span<float> embedding_norms{};  ///< (n, R): |d out / d region embedding|, L2 over dim; of a GET only
    std::span<float> baseline{};         ///< (n): out(x0), integrated gradients only
    std::int64_t layer = 0;              ///< of embedding_layers()
    std::span<float> embeddings{};  ///< (n, dim): the focus token there; of a GET and without gradients only
};

/// Gradients of a GET, or of another program's model (script.hpp), with respect to its input, one forward and
/// one backward a sample: no gradient of a weight is ever computed.
///
/// Owner, move-only. Holds its own weights. Threads: one call at a time. The same call gives the same bits on
/// the same CPU or GPU model, whatever was called before; a sample's bits may depend on the samples it shares
/// a micro-batch with (consecutive ones of a call with windows of one size).
class JacobianPredictor {
public:
    /// Reads the model (see Predictor). Refuses a masked head, a device that isn't there, micro_batch or
    /// steps < 1 (Origin::usage).
    JacobianPredictor(std::filesystem::path const& model, Compute const& compute,
                      JacobianOptions const& options, ScriptTrust const& trust = {});
    JacobianPredictor(JacobianPredictor&&) noexcept;
    JacobianPredictor& operator=(JacobianPredictor&&) noexcept;
    ~JacobianPredictor();

    [[nodiscard]] ModelCard const& card() const noexcept;
    [[nodiscard]] JacobianOptions const& options() const noexcept;

    /// The table that windows count places of, from now on; its spans must outlive that. Refuses another
    /// number of motifs, scales that are not positive and, when a row is first read, values that are not
    /// finite.
    void set_table(FeatureTable const& table);

    /// Called when results of windows first .. first + count - 1 are in place.
    using Ready = std::function<void(std::size_t first, std::size_t count)>;
    /// Looks at `stop` between micro-batches and throws Error(Origin::stopped). Not for knock_out. `ready` is
    /// called for one micro-batch after the other, in order, by this thread; a GPU is at work on the next one
    /// meanwhile.
    void run(std::span<JacobianWindow const> windows, Attribution method, JacobianResult const& result,
             std::stop_token stop = {}, Ready const& ready = {});

    /// effects[i] = out(x) - out(x with knock-out i), by forwards alone. A feature that is 0 already has the
    /// effect 0 and costs nothing. `prediction` (outputs) of the untouched window may be empty.
    void knock_out(JacobianWindow const& window, std::span<KnockOut const> changes, std::span<float> effects,
                   std::span<float> prediction = {}, std::stop_token stop = {});

    /// The outputs at the focus of the window without each of `regions` (indices in the window, not the
    /// focus) in turn: `predictions` (regions, outputs), by forwards alone. `untouched` (outputs) of the
    /// whole window may be empty. The bits of a prediction depend on the window and on `regions` alone.
    void remove(JacobianWindow const& window, Removal how, std::span<std::int64_t const> regions,
                std::span<float> predictions, std::span<float> untouched = {}, std::stop_token stop = {});

    /// The input of a window as the network reads it, (size, F).
    [[nodiscard]] std::vector<float> input(JacobianWindow const& window) const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace mpira::model

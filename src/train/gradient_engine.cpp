#include "mpira/train/gradient_engine.hpp"

#include <utility>

#include "mpira/base/error.hpp"

#include "engines.hpp"

namespace mpira::train {

std::unique_ptr<GradientEngine> make_gradient_engine(comm::CommView comm, std::vector<at::Tensor> parameters,
                                                     EngineOptions const& options) {
    ensure(options.micro_batch > 0 && options.batch > 0, "a gradient engine for batches of no samples");
    std::shared_ptr<Timeline> timeline;
    if (!options.timeline.empty()) timeline = std::make_shared<Timeline>(options.timeline);
    auto const make = options.deterministic ? make_tree_engine : make_bucketed_engine;
    return make(comm, std::move(parameters), options, std::move(timeline));
}

}  // namespace mpira::train

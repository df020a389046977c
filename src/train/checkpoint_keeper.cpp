#include "checkpoint_keeper.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"

namespace mpira::train {

CheckpointKeeper::CheckpointKeeper(comm::CommView comm, CheckpointPolicy policy)
    : comm_(comm), policy_(std::move(policy)) {}

bool CheckpointKeeper::is_due() const {
    std::chrono::duration<double> const since = Clock::now() - last_save_;
    return comm_.bcast_value(since.count() >= policy_.every_s);
}

void CheckpointKeeper::save(std::function<NamedTensors()> const& tensors, Progress const& now) {
    last_save_ = Clock::now();
    if (policy_.file.empty()) return;
    comm::everywhere(comm_, [&] {
        if (!comm_.is_root()) return;
        write_checkpoint(policy_.file, tensors(), policy_.identity, to_json(now), !present_is_broken_);
    });
    present_is_broken_ = false;
}

std::optional<Progress> CheckpointKeeper::load(std::function<NamedTensors()> const& tensors) {
    if (policy_.file.empty()) return std::nullopt;
    auto const found =
        comm::everywhere(comm_, [&] { return read_checkpoint(policy_.file, tensors(), policy_.identity); });
    require_same(found);
    if (!found) return std::nullopt;
    present_is_broken_ = !found->warning.empty();
    if (comm_.is_root() && !found->warning.empty()) log::warning("{}", found->warning);
    return comm::everywhere(comm_, [&] { return progress_of(found->progress, policy_.file); });
}

void CheckpointKeeper::require_same(std::optional<FoundCheckpoint> const& found) const {
    auto const text = [](std::optional<FoundCheckpoint> const& one) {
        return one ? fmt::format("the one of step {}", one->progress.value("step", std::uint64_t{0}))
                   : std::string("none");
    };
    auto const contents = comm_.all_gather(found ? found->content + found->progress.dump() : "");
    auto const texts = comm_.all_gather(text(found));
    auto const other = static_cast<std::size_t>(
        std::ranges::find_if(contents, [&](auto const& one) { return one != contents.front(); }) -
        contents.begin());
    if (other == contents.size()) return;
    throw comm::CollectiveError(
        Origin::usage,
        fmt::format("{}: the ranks don't find the same checkpoint here: rank 0 {}, rank {} {}; put the "
                    "output in a folder that all nodes share, or remove the checkpoint on every node",
                    policy_.file.string(), texts.front(), other, texts[other]),
        0, std::source_location::current());
}

}  // namespace mpira::train

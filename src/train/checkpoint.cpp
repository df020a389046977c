#include "mpira/train/checkpoint.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "mpira/base/draft_file.hpp"
#include "mpira/base/error.hpp"
#include "mpira/model/safetensors.hpp"

#include "train/checkpoint_head.hpp"

namespace mpira::train {

namespace {

std::vector<std::int64_t> shape_of(at::Tensor const& tensor) {
    return tensor.sizes().vec();
}

// The first key, in order, whose value is not the same in both.
void require_same_identity(std::filesystem::path const& file, nlohmann::json const& stored,
                           nlohmann::json const& mine) {
    auto const refuse = [&](std::string const& key) {
        auto const text = [&](nlohmann::json const& from) {
            return from.contains(key) ? from.at(key).dump() : std::string("nothing");
        };
        fail_usage(
            fmt::format("{}: this checkpoint was written with {} = {}, now it is {}; put the setting "
                        "back to go on, or start over with --fresh",
                        file.string(), key, text(stored), text(mine)));
    };
    for (auto const& [key, value] : mine.items()) {
        if (!stored.contains(key) || stored.at(key) != value) refuse(key);
    }
    for (auto const& [key, value] : stored.items()) {
        if (!mine.contains(key)) refuse(key);
    }
}

// A checkpoint that was opened and found whole: no torn write, no bit has flipped since.
struct Whole {
    model::SafetensorsFile stored;
    nlohmann::json head;
};

Whole open_whole(std::filesystem::path const& file) {
    model::SafetensorsFile stored(file);
    auto head = checkpoint_head(stored);
    require(
        head.at("content") == model::content_hash(stored.tensors()),
        fmt::format("{}: the content of this checkpoint is damaged; start over with --fresh", file.string()));
    return {std::move(stored), std::move(head)};
}

std::filesystem::path aside_of(std::filesystem::path const& file) {
    auto aside = file;
    aside += ".new";
    return aside;
}

// Puts `from` in the place of `to`; afterwards it is on the disk.
void rename_durably(std::filesystem::path const& from, std::filesystem::path const& to) {
    std::filesystem::rename(from, to);
    auto const folder = to.has_parent_path() ? to.parent_path() : std::filesystem::path(".");
    int const directory = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool const synced = directory >= 0 && ::fsync(directory) == 0;
    int const error = errno;
    if (directory >= 0) ::close(directory);
    errno = error;
    if (!synced) fail_errno("syncing", folder.string());
}

}  // namespace

void write_checkpoint(std::filesystem::path const& file, NamedTensors const& tensors,
                      nlohmann::json const& identity, nlohmann::json const& progress, bool present_is_whole) {
    std::vector<at::Tensor> keep;  // owns what the views point to
    std::vector<model::TensorView> views;
    keep.reserve(tensors.size());
    for (auto const& [name, tensor] : tensors) {
        keep.push_back(tensor.detach().to(at::kCPU).contiguous());
        auto const& host = keep.back();
        ensure(host.scalar_type() == at::kFloat, "a checkpoint of a tensor that is not f32");
        views.push_back({name,
                         model::ScalarType::f32,
                         shape_of(host),
                         {static_cast<std::byte const*>(host.const_data_ptr()), host.nbytes()}});
    }
    nlohmann::json const head{{"format", kHeadFormat},
                              {"identity", identity},
                              {"progress", progress},
                              {"content", model::content_hash(views)}};
    auto const aside = aside_of(file);
    model::write_safetensors(aside, views, {{kHeadKey, head.dump()}});
    if (present_is_whole && std::filesystem::exists(file)) rename_durably(file, previous_of(file));
    rename_durably(aside, file);
}

std::optional<FoundCheckpoint> read_checkpoint(std::filesystem::path const& file, NamedTensors const& tensors,
                                               nlohmann::json const& identity) {
    auto from = file;
    std::optional<Whole> whole;
    std::string broken;
    std::string warning;
    if (std::filesystem::exists(file)) {
        try {
            whole.emplace(open_whole(file));
        } catch (Error const& error) {
            if (error.origin() != Origin::usage || !std::filesystem::exists(previous_of(file))) throw;
            broken = error.what();
        }
    }
    if (!whole) {
        from = previous_of(file);
        if (!std::filesystem::exists(from)) return std::nullopt;
        whole.emplace(open_whole(from));
        warning =
            fmt::format("{}; going on from {}",
                        broken.empty() ? fmt::format("{} is missing", file.string()) : broken, from.string());
    }
    auto const& [stored, head] = *whole;
    require_same_identity(from, head.at("identity"), identity);
    require(stored.tensors().size() == tensors.size(),
            fmt::format("{}: {} tensors, expected {}; start over with --fresh", from.string(),
                        stored.tensors().size(), tensors.size()));
    for (auto const& [name, tensor] : tensors) {
        auto const& view = stored.tensor(name);
        require(view.type == model::ScalarType::f32 && view.shape == shape_of(tensor),
                fmt::format("{}: tensor {} has another type or shape; start over with --fresh", from.string(),
                            name));
    }
    for (auto const& [name, tensor] : tensors) {
        auto host = tensor.detach().to(at::kCPU).contiguous();
        auto const& bytes = stored.tensor(name).bytes;
        std::memcpy(host.mutable_data_ptr(), bytes.data(), bytes.size());
        tensor.detach().copy_(host);
    }
    return FoundCheckpoint{head.at("progress"), head.at("content"), std::move(warning)};
}

void remove_checkpoint(std::filesystem::path const& file) {
    for (auto const& one : {file, previous_of(file), aside_of(file)}) std::filesystem::remove(one);
    remove_leftover_drafts(aside_of(file),
                           [](auto const& draft) { return std::filesystem::remove(draft) ? 0 : -1; });
}

}  // namespace mpira::train

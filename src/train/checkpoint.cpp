#include "mpira/train/checkpoint.hpp"

#include <cstring>
#include <map>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/model/safetensors.hpp"

namespace mpira::train {

namespace {

constexpr char const* kKey = "mpira.checkpoint";
constexpr int kFormat = 1;

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

}  // namespace

void write_checkpoint(std::filesystem::path const& file, NamedTensors const& tensors,
                      nlohmann::json const& identity, nlohmann::json const& progress) {
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
    nlohmann::json const head{{"format", kFormat}, {"identity", identity}, {"progress", progress}};
    model::write_safetensors(file, views, {{kKey, head.dump()}});
}

std::optional<nlohmann::json> read_checkpoint(std::filesystem::path const& file, NamedTensors const& tensors,
                                              nlohmann::json const& identity) {
    if (!std::filesystem::exists(file)) return std::nullopt;
    model::SafetensorsFile const stored(file);
    auto const head_text = stored.metadata().find(kKey);
    require(head_text != stored.metadata().end(),
            fmt::format("{}: this is no checkpoint of mpira train; name another --output", file.string()));
    auto const head = nlohmann::json::parse(head_text->second, nullptr, /*allow_exceptions=*/false);
    require(head.is_object() && head.value("format", 0) == kFormat && head.contains("identity") &&
                head.contains("progress"),
            fmt::format("{}: the head of this checkpoint can't be read (another version of mpira?); start "
                        "over with --fresh",
                        file.string()));
    require_same_identity(file, head.at("identity"), identity);
    require(stored.tensors().size() == tensors.size(),
            fmt::format("{}: {} tensors, expected {}; start over with --fresh", file.string(),
                        stored.tensors().size(), tensors.size()));
    for (auto const& [name, tensor] : tensors) {
        auto const& view = stored.tensor(name);
        require(view.type == model::ScalarType::f32 && view.shape == shape_of(tensor),
                fmt::format("{}: tensor {} has another type or shape; start over with --fresh", file.string(),
                            name));
    }
    for (auto const& [name, tensor] : tensors) {
        auto host = tensor.detach().to(at::kCPU).contiguous();
        auto const& bytes = stored.tensor(name).bytes;
        std::memcpy(host.mutable_data_ptr(), bytes.data(), bytes.size());
        tensor.detach().copy_(host);
    }
    return head.at("progress");
}

}  // namespace mpira::train

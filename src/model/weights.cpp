#include "mpira/model/weights.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

namespace mpira::model {
namespace {

constexpr char kCardKey[] = "mpira";

std::string shape_text(std::vector<std::int64_t> const& shape) {
    return fmt::format("({})", fmt::join(shape, ", "));
}

ModelCard card_of(SafetensorsFile const& file) {
    auto const found = file.metadata().find(kCardKey);
    require(found != file.metadata().end(),
            fmt::format("{} has no model card (metadata '{}'): it was not written by mpira; convert it first",
                        file.path().string(), kCardKey));
    try {
        return nlohmann::json::parse(found->second).get<ModelCard>();
    } catch (nlohmann::json::exception const& error) {
        fail_usage(fmt::format("{}: the model card is no JSON ({})", file.path().string(), error.what()));
    } catch (Error const& error) {
        fail_usage(fmt::format("{}: {}", file.path().string(), error.what()));
    }
}

void require_finite(TensorView const& tensor, std::filesystem::path const& file) {
    // The mapping may hold the tensor at any byte: copied out value by value.
    for (std::size_t at = 0; at + sizeof(float) <= tensor.bytes.size(); at += sizeof(float)) {
        float value = 0;
        std::memcpy(&value, tensor.bytes.data() + at, sizeof value);
        if (!std::isfinite(value)) {
            fail_usage(fmt::format("{}: tensor '{}' holds {} at element {}; weights must be finite",
                                   file.string(), tensor.name, value, at / sizeof(float)));
        }
    }
}

void require_tensors(SafetensorsFile const& file, ModelCard const& card) {
    auto const specs = tensors_of(card);
    auto const path = file.path().string();
    for (auto const& spec : specs) {
        auto const& tensor = file.tensor(spec.name);
        require(tensor.type == ScalarType::f32,
                fmt::format("{}: tensor '{}' is {}, expected F32", path, spec.name, name_of(tensor.type)));
        require(tensor.shape == spec.shape,
                fmt::format("{}: tensor '{}' has shape {}, the architecture in its card needs {}", path,
                            spec.name, shape_text(tensor.shape), shape_text(spec.shape)));
        require_finite(tensor, file.path());
    }
    if (file.tensors().size() == specs.size()) return;
    std::vector<std::string> known;
    for (auto const& spec : specs) known.push_back(spec.name);
    for (auto const& tensor : file.tensors()) {
        if (std::find(known.begin(), known.end(), tensor.name) == known.end()) {
            fail_usage(fmt::format("{}: tensor '{}' has no place in the architecture of its card{}", path,
                                   tensor.name, text::did_you_mean(tensor.name, known)));
        }
    }
}

void require_kind(std::filesystem::path const& file, ModelCard const& card, WeightsKind needed) {
    if (needed == WeightsKind::any || card.kind() == needed) return;
    auto const name = file.string();
    if (needed == WeightsKind::get && card.adaptor) {
        fail_usage(
            fmt::format("{} is a LoRA adaptor of the weights {}, no whole model; merge it first: mpira "
                        "merge BASE {} --output MODEL.safetensors",
                        name, card.adaptor->base, name));
    }
    auto const wanted = needed == WeightsKind::get       ? "a GET"
                        : needed == WeightsKind::adaptor ? "a LoRA adaptor"
                                                         : "a CNN or MLP";
    fail_usage(fmt::format("{} holds a {}; {} is needed here", name, card.network(), wanted));
}

}  // namespace

Weights::Weights(std::filesystem::path const& file, WeightsKind needed) : file_(file), card_(card_of(file_)) {
    require_kind(file, card_, needed);
    require_tensors(file_, card_);
    auto const hash = content_hash(file_.tensors());
    if (card_.content_hash.empty()) card_.content_hash = hash;
    require(hash == card_.content_hash,
            fmt::format("{}: the tensors' content hash is {}, the model card says {}: the file was changed",
                        file.string(), hash, card_.content_hash));
}

std::string write_weights(std::filesystem::path const& file, ModelCard card,
                          std::span<TensorView const> tensors) {
    auto const specs = tensors_of(card);
    ensure(specs.size() == tensors.size(), "write_weights: not the tensors of the card's architecture");
    for (std::size_t i = 0; i < specs.size(); ++i) {
        ensure(tensors[i].name == specs[i].name && tensors[i].shape == specs[i].shape &&
                   tensors[i].type == ScalarType::f32,
               "write_weights: tensor '" + tensors[i].name + "' is not the architecture's '" + specs[i].name +
                   "'");
    }
    card.content_hash = content_hash(tensors);
    write_safetensors(file, tensors, {{kCardKey, nlohmann::json(card).dump()}, {"format", "pt"}});
    return card.content_hash;
}

}  // namespace mpira::model

// Writes Jacobians, attributions and knock-outs, for tests/python/jacobian_parity.py to compare with autograd
// on its own network: per case NAME.safetensors (weights) and NAME.io.safetensors.
#include <filesystem>
#include <string>
#include <vector>

#include "mpira/model/jacobian.hpp"
#include "mpira/model/safetensors.hpp"

#include "support.hpp"

namespace mpira::model {
namespace {

constexpr std::int64_t kRegions = 31;  // of the table
constexpr std::int64_t kWindow = 9;    // slots of the result; windows have 9 or fewer
constexpr std::size_t kChanged = 2;    // the window whose features are knocked out
constexpr std::size_t kRemoved =
    4;  // the window whose regions are removed; its focus has some on either side

struct Values {
    std::string name;
    std::vector<std::int64_t> shape;
    std::vector<float> values;
};

void dump(std::string const& network, GetConfig const& config, bool one_query, int device,
          std::filesystem::path const& folder) {
    auto const name = network + "_" + tests::name_of_device(device);
    auto const weights = folder / (name + ".safetensors");
    tests::write_random_weights(weights, config, kWindow);
    tests::Table const atlas(kRegions, config.motifs());
    JacobianPredictor predictor(weights, {.device = device},
                                {.micro_batch = 3, .one_query = one_query, .steps = 50});
    FeatureTable table;
    table.regions = kRegions;
    table.motifs = config.motifs();
    table.features = atlas.features;
    table.scales = atlas.scales;
    table.accessibility = atlas.accessibility;
    std::vector<std::uint32_t> rows;  // every third region is no place
    for (std::uint32_t row = 0; row < kRegions; ++row)
        if (row % 3 != 1) rows.push_back(row);
    table.rows = rows;
    predictor.set_table(table);

    auto const last = config.outputs - 1;
    std::vector<JacobianWindow> const windows{{0, 9, 4, 0},  {5, 9, 0, last}, {7, 9, 8, last}, {7, 9, 8, 0},
                                              {11, 9, 3, 0}, {2, 5, 1, last}, {0, 1, 0, 0}};
    auto const n = static_cast<std::int64_t>(windows.size());
    auto const f = config.features;
    std::vector<Values> out;
    auto const add = [&](std::string what, std::vector<std::int64_t> shape) {
        std::size_t count = 1;
        for (auto const size : shape) count *= static_cast<std::size_t>(size);
        // Filled: what is not written would show.
        out.push_back({std::move(what), std::move(shape), std::vector<float>(count, 77.0F)});
        return std::span(out.back().values);
    };
    out.reserve(64);
    auto const x = add("x", {n, kWindow, f});
    std::fill(x.begin(), x.end(), 0.0F);
    auto const shapes = add("windows", {n, 4});
    for (std::size_t i = 0; i < windows.size(); ++i) {
        auto const input = predictor.input(windows[i]);
        std::copy(input.begin(), input.end(),
                  x.begin() + static_cast<std::ptrdiff_t>(i * static_cast<std::size_t>(kWindow * f)));
        shapes[4 * i] = static_cast<float>(windows[i].first);
        shapes[4 * i + 1] = static_cast<float>(windows[i].size);
        shapes[4 * i + 2] = static_cast<float>(windows[i].focus);
        shapes[4 * i + 3] = static_cast<float>(windows[i].output);
    }
    for (auto const method :
         {Attribution::gradient, Attribution::gradient_x_input, Attribution::integrated_gradients}) {
        auto const method_name = std::string(name_of(method));
        JacobianResult result;
        result.regions = kWindow;
        result.predictions = add(std::string("predictions.").append(method_name), {n, config.outputs});
        result.attributions = add(std::string("attributions.").append(method_name), {n, kWindow, f});
        if (method == Attribution::gradient) {
            result.gradients = add("gradients", {n, kWindow, f});
            result.embedding_norms = add("embedding_norms", {n, kWindow});
        }
        if (method == Attribution::integrated_gradients) result.baseline = add("baseline", {n});
        predictor.run(windows, method, result);
    }
    // Every feature in all regions, then every feature in each.
    std::vector<KnockOut> changes;
    for (std::int64_t feature = 0; feature < f; ++feature)
        changes.push_back({KnockOut::kAllRegions, feature});
    for (std::int64_t region = 0; region < kWindow; ++region)
        for (std::int64_t feature = 0; feature < f; ++feature) changes.push_back({region, feature});
    auto const effects = add("knock_out", {1 + kWindow, f});
    auto const untouched = add("untouched", {config.outputs});
    predictor.knock_out(windows[kChanged], changes, effects, untouched);

    std::vector<std::int64_t> others;
    for (std::int64_t region = 0; region < kWindow; ++region)
        if (region != windows[kRemoved].focus) others.push_back(region);
    for (auto const how : {Removal::close, Removal::zero}) {
        auto const how_name = std::string(name_of(how));
        auto const left = add("removed." + how_name, {kWindow - 1, config.outputs});
        auto const whole = add("untouched." + how_name, {config.outputs});
        predictor.remove(windows[kRemoved], how, others, left, whole);
    }
    auto const layers = embedding_layers(config);
    for (std::size_t layer = 0; layer < layers.size(); ++layer) {
        JacobianResult result;
        result.predictions = add("predictions." + layers[layer], {n, config.outputs});
        result.embeddings = add("embeddings." + layers[layer], {n, config.dim});
        result.layer = static_cast<std::int64_t>(layer);
        predictor.run(windows, Attribution::gradient, result);
    }

    std::vector<TensorView> views;
    for (auto const& values : out) {
        views.push_back(
            {values.name, ScalarType::f32, values.shape, std::as_bytes(std::span(values.values))});
    }
    write_safetensors(folder / (name + ".io.safetensors"), views, {});
}

void dump_all(std::filesystem::path const& folder) {
    GetConfig const odd{.features = 7, .dim = 12, .depth = 3, .heads = 3, .mlp_ratio = 2.5, .outputs = 2};
    GetConfig small{.features = 4, .dim = 10, .depth = 1, .heads = 1, .mlp_ratio = 4, .outputs = 1};
    GetConfig hidden = odd;
    hidden.head = HeadKind::accessibility;
    hidden.outputs = 1;
    for (int const device : tests::devices()) {
        dump("odd", odd, true, device, folder);
        dump("unshortened", odd, false, device, folder);
        dump("small", small, true, device, folder);
        dump("accessibility", hidden, true, device, folder);
    }
}

}  // namespace
}  // namespace mpira::model

int main(int argc, char** argv) {
    return mpira::model::tests::dump_main(argc, argv, "FOLDER", [](auto const& words) {
        if (words.size() != 1) return false;
        mpira::model::dump_all(words[0]);
        return true;
    });
}

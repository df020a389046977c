// Screens elements and writes inputs and statistics, for tests/python/insertion_parity.py to compare with a
// plain loop of its own: per case NAME.safetensors, NAME.accessibility.safetensors (if any) and
// NAME.io.safetensors.
#include <filesystem>
#include <optional>
#include <string>

#include "mpira/base/philox.hpp"
#include "mpira/model/insertion.hpp"
#include "mpira/model/safetensors.hpp"

#include "support.hpp"

namespace mpira::model {
namespace {

struct Case {
    std::string name;
    GetConfig config;
    bool with_accessibility;
    InsertionOptions options;
    std::int64_t regions;
    std::uint32_t insertions;
};

class Dump {
public:
    template <typename T>
    void add(std::string name, std::vector<T> const& values, std::vector<std::int64_t> shape) {
        constexpr auto kType = std::is_same_v<T, double>         ? ScalarType::f64
                               : std::is_same_v<T, std::int64_t> ? ScalarType::i64
                               : std::is_same_v<T, std::int32_t> ? ScalarType::i32
                                                                 : ScalarType::f32;
        views_.push_back({std::move(name), kType, std::move(shape), std::as_bytes(std::span(values))});
    }
    void write(std::filesystem::path const& file, std::map<std::string, std::string> const& metadata) const {
        write_safetensors(file, views_, metadata);
    }

private:
    std::vector<TensorView> views_;
};

void dump(Case const& entry, int device, std::filesystem::path const& folder) {
    auto const name = entry.name + "_" + tests::name_of_device(device);
    tests::Table const table(entry.regions, entry.config.motifs());
    FeatureTable const view{table.regions, table.motifs, table.features, table.scales, table.accessibility};
    auto const weights = folder / (name + ".safetensors");
    tests::write_random_weights(weights, entry.config, entry.options.window);
    InsertionPredictor expression(Predictor(weights, {.device = device}), view, entry.options);
    std::optional<InsertionPredictor> accessibility;
    if (entry.with_accessibility) {
        auto config = entry.config;
        config.head = HeadKind::accessibility;
        config.outputs = 1;
        auto const file = folder / (name + ".accessibility.safetensors");
        tests::write_random_weights(file, config, entry.options.window, 6);
        accessibility.emplace(Predictor(file, {.device = device}), view, entry.options);
    }
    ScreenShape const shape{.outputs = expression.predictor().card().names_of_outputs(),
                            .has_accessibility = entry.with_accessibility,
                            .classes = {"promoter", "distal"}};
    auto const motifs = static_cast<std::size_t>(entry.config.motifs());
    auto const n = static_cast<std::int64_t>(entry.insertions);
    auto const element = tests::uniform_values(motifs, 40, 0, 1);
    auto const shuffles = tests::uniform_values(2 * motifs, 41, 0, 0.6);
    std::vector<std::int64_t> starts;
    std::vector<std::int32_t> classes;
    Draws draws(11, Stream::sites, 0);
    for (std::int64_t i = 0; i < n; ++i) {
        auto const windows = static_cast<std::uint64_t>(entry.regions - entry.options.window + 1);
        starts.push_back(static_cast<std::int64_t>(draws.below(windows)));
        classes.push_back(static_cast<std::int32_t>(starts.back() % 2));
    }
    auto const names = statistic_names(shape);
    std::vector<double> statistics(names.size());
    std::vector<float> raw(static_cast<std::size_t>(n * entry.config.outputs));
    screen_element(expression, accessibility ? &*accessibility : nullptr, shape,
                   {element, shuffles, starts, classes}, statistics, {.element = raw});

    Dump out;
    out.add("features", table.features, {table.regions, table.motifs});
    out.add("scales", table.scales, {table.motifs});
    out.add("accessibility", table.accessibility, {table.regions});
    out.add("element", element, {table.motifs});
    out.add("shuffles", shuffles, {2, table.motifs});
    out.add("starts", starts, {n});
    out.add("classes", classes, {n});
    out.add("statistics", statistics, {static_cast<std::int64_t>(names.size())});
    out.add("raw", raw, {n, entry.config.outputs});
    nlohmann::json const about{{"names", names},
                               {"outputs", shape.outputs},
                               {"window", entry.options.window},
                               {"focus", entry.options.focus},
                               {"classes", shape.classes}};
    out.write(folder / (name + ".io.safetensors"), {{"mpira", about.dump()}});
}

void dump_all(std::filesystem::path const& folder) {
    GetConfig const odd{.features = 7, .dim = 12, .depth = 3, .heads = 3, .mlp_ratio = 2.5, .outputs = 2};
    GetConfig const default_data{.features = 287, .dim = 64, .depth = 3, .heads = 4, .outputs = 1};
    Case const cases[] = {
        {"odd", odd, true, {.window = 9, .focus = 4, .micro_batch = 4}, 30, 21},
        {"edge", odd, false, {.window = 9, .focus = 0, .micro_batch = 8}, 9, 3},
        {"default_data", default_data, false, {.window = 50, .focus = 25, .micro_batch = 16}, 120, 40},
        {"full", GetConfig{}, false, {.window = 200, .focus = 100, .micro_batch = 2}, 210, 2}};
    for (int const device : tests::devices())
        for (auto const& entry : cases) dump(entry, device, folder);
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

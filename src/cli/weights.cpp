// weights, merge: weights files looked at and put together.
#include "mpira/model/weights.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <limits>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "mpira/base/draft_file.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"
#include "mpira/cli/commands.hpp"
#include "mpira/genome/windows.hpp"
#include "mpira/model/adaptor.hpp"

namespace mpira::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kShown = 6;  // of a long list

std::string short_list(std::vector<std::string> const& all) {
    std::vector<std::string> const shown(
        all.begin(), all.begin() + static_cast<std::ptrdiff_t>(std::min(all.size(), kShown)));
    return fmt::format("{}{}", fmt::join(shown, ", "), all.size() > kShown ? ", ..." : "");
}

std::string architecture_text(model::ModelCard const& card) {
    auto json = card.baseline ? nlohmann::json(*card.baseline) : nlohmann::json(card.architecture);
    json.erase("network");
    std::vector<std::string> facts;
    for (auto const& [key, value] : json.items()) {
        facts.push_back(
            fmt::format("{} {}", key, value.is_string() ? value.get<std::string>() : value.dump()));
    }
    return fmt::format("{}", fmt::join(facts, ", "));
}

void print_card(fs::path const& file, model::ModelCard const& card) {
    auto const line = [](std::string_view what, std::string const& text) {
        fmt::print("  {:<15} {}\n", what, text.empty() ? "-" : text);
    };
    auto const count = model::count_of(model::tensors_of(card));
    fmt::print("{}: {}, {} parameters, {}\n", file.string(), card.network(), count,
               text::bytes(fs::file_size(file)));
    line(card.adaptor ? "adapted GET" : "architecture", architecture_text(card));
    if (card.adaptor) {
        std::vector<std::string_view> layers;
        for (auto const layer : card.adaptor->lora.layers) layers.push_back(model::name_of(layer));
        line("adaptor", fmt::format("rank {}, alpha {}, on {}; the head in full", card.adaptor->lora.rank,
                                    card.adaptor->lora.alpha, fmt::join(layers, ", ")));
        line("base", card.adaptor->base);
    }
    line("outputs", fmt::format("{}", fmt::join(card.names_of_outputs(), ", ")));
    line("assembly", card.assembly);
    line("motifs", fmt::format("{}: {}", card.motifs.size(), short_list(card.motifs)));
    line("scan model", card.scan_hash);
    line("window", fmt::format("{} regions, read at {}", card.window, card.focus));
    line("window regions",
         card.least_accessibility > 0
             ? fmt::format("{}, at least {:g}", card.window_regions, card.least_accessibility)
             : card.window_regions);
    line("accessibility", std::string(model::name_of(card.accessibility)));
    line("cell type", card.cell_type);
    auto const [least, most] = std::minmax_element(card.scales.begin(), card.scales.end());
    line("scales",
         fmt::format("{} ({:.4g} to {:.4g})", card.scale_set.empty() ? "-" : card.scale_set, *least, *most));
    std::vector<std::string> held_out;
    for (auto const& interval : card.held_out) {
        constexpr auto kToTheEnd = std::numeric_limits<std::int64_t>::max();  // as cards have it
        held_out.push_back(
            genome::to_text({interval.chromosome, interval.start,
                             interval.end == kToTheEnd ? genome::HeldOutInterval::kWhole : interval.end}));
    }
    line("held out", fmt::format("{}", fmt::join(held_out, ", ")));
    line("parents", fmt::format("{}", fmt::join(card.parents, ", ")));
    line("content hash", card.content_hash);
    if (!card.training.is_object()) return;
    for (auto const& [key, value] : card.training.items()) {
        auto text = value.dump();
        constexpr std::size_t kMost = 90;
        if (text.size() > kMost) text = text.substr(0, kMost) + " ... (--json has all)";
        line("training", fmt::format("{}: {}", key, text));
    }
}

}  // namespace

int show_weights(CommandLine const& line) {
    model::Weights const weights(line.file, model::WeightsKind::any);
    if (line.json) {
        fmt::print("{}\n", nlohmann::json(weights.card()).dump(1));
    } else {
        print_card(line.file, weights.card());
    }
    return 0;
}

int merge(CommandLine const& line) {
    auto const& output = line.output;
    require(output.extension() == ".safetensors",
            fmt::format("{}: the name of weights ends in .safetensors", output.string()));
    require_file_or_nothing(output);
    refuse_input_as_output(output, std::array{line.file, line.adaptor});
    auto const is_there = [&] { return fs::exists(fs::symlink_status(output)); };
    require(line.overwrite || !is_there(), fmt::format("{} exists; --overwrite renames it to {}",
                                                       output.string(), aside_name(output).string()));
    // So that a merge that fails leaves the old weights in their place.
    auto const draft = draft_name(output);
    auto const hash = model::merge_adaptor(line.file, line.adaptor, draft);
    if (is_there()) fs::rename(output, aside_name(output));
    fs::rename(draft, output);
    fmt::print("{}: {} with {} merged in, content hash {}\n", line.output.string(), line.file.string(),
               line.adaptor.string(), hash);
    return 0;
}

}  // namespace mpira::cli

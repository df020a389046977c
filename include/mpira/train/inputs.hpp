#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "mpira/atlas/atlas.hpp"
#include "mpira/base/settings.hpp"
#include "mpira/genome/windows.hpp"
#include "mpira/model/get_config.hpp"
#include "mpira/model/model_card.hpp"
#include "mpira/train/holdout.hpp"
#include "mpira/train/provenance.hpp"
#include "mpira/train/table.hpp"
#include "mpira/train/trainer.hpp"

namespace mpira::train {

/// Everything a training run reads, checked. The table looks into the atlas, which several runs of a process
/// may share.
struct Inputs {
    std::shared_ptr<atlas::Atlas const> atlas;
    TrainingTable table;
    Holdout holdout;
    std::vector<Use> uses;  ///< one a place
    std::vector<genome::PlaceRange> train_runs;
    std::vector<genome::PlaceRange> test_runs;
    std::vector<genome::PlaceRange> validation_runs;
    model::GetConfig network;              ///< of a baseline: features, outputs and head
    std::vector<std::string> cell_types;   ///< of the run, held-out ones too; empty: no cell type
    std::optional<model::ModelCard> base;  ///< of init.weights
    std::vector<SeenRecord> seen;          ///< by the weights of this run, through the base too
    /// What the base saw of the held-out part (provenance.hpp): a label for every figure.
    std::vector<std::string> base_saw;
    /// What is allowed but seldom meant, for the log: a base that was trained on other inputs, expression
    /// without an atlas that knows its promoters.
    std::vector<std::string> warnings;
    Recipe recipe;
    /// What decides the weights: settings that affect the result, the atlas's content, the held-out
    /// intervals. A checkpoint and finished weights belong to one identity.
    nlohmann::json identity;
};

/// Reads and checks what the settings name. Usage errors name the key or the file; among them: init.weights
/// that have seen the held-out target (provenance.hpp). Local.
[[nodiscard]] Inputs read_inputs(Settings const& settings);
/// The same from an atlas that is open already, the one that the settings name.
[[nodiscard]] Inputs read_inputs(Settings const& settings, std::shared_ptr<atlas::Atlas const> atlas);

/// Where a base was trained on other inputs than this run reads (scale set, accessibility, rows): a sentence
/// each, with both values and the setting. What its card does not record is not compared; constant and
/// binarised accessibility are both 1 in every row. `cell_types`: of the run.
[[nodiscard]] std::vector<std::string> input_differences(Settings const& settings,
                                                         model::ModelCard const& base,
                                                         std::span<std::string const> cell_types);

/// What readers of the weights need to know; `training` is left empty.
[[nodiscard]] model::ModelCard card_of(Settings const& settings, Inputs const& inputs);

/// Places in the runs.
[[nodiscard]] std::uint64_t count(std::span<genome::PlaceRange const> runs);

}  // namespace mpira::train

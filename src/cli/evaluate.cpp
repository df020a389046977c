// evaluate: a screen, or predictions of regions, beside what was measured.
#include "mpira/report/evaluate.hpp"

#include <array>

#include <fmt/format.h>

#include "mpira/base/draft_file.hpp"
#include "mpira/base/error.hpp"
#include "mpira/cli/commands.hpp"

namespace mpira::cli {

int evaluate(CommandLine const& line) {
    auto const& options = line.evaluate;
    refuse_input_as_output(line.output, options.measured);
    refuse_input_as_output(line.output, std::array{line.file, options.scores, options.states});
    report::EvaluateChoice choice;
    choice.measured = options.measured;
    for (auto const& text : options.columns) {
        auto const cut = text.find('=');
        require(cut != std::string::npos && cut > 0 && cut + 1 < text.size(),
                fmt::format("--column {}: expected WHAT=NAME, as in --column dna=dna_count", text));
        choice.columns[text.substr(0, cut)] = text.substr(cut + 1);
    }
    choice.least_barcodes = options.least_barcodes;
    choice.controls = options.controls;
    choice.states = options.states;
    choice.orientations = options.orientations;
    choice.quantities = options.quantities;
    choice.cell_type = options.cell_type;
    choice.chromosomes = options.chromosomes;
    choice.scores = options.scores;
    choice.score_columns = options.score_columns;
    choice.resamples = options.resamples;
    choice.seed = options.seed;
    choice.partial = line.partial;
    choice.overwrite = line.overwrite;
    fmt::print("{}\n{}: sequences.tsv, figures.tsv, evaluation.json\n",
               report::evaluate(line.file, line.output, choice), line.output.string());
    return 0;
}

}  // namespace mpira::cli

#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "mpira/base/error.hpp"
#include "mpira/model/model_card.hpp"

#include "support/scratch_folder.hpp"

/// What tests of the model share; no Torch here.
namespace mpira::model::tests {

using Folder = test::ScratchFolder;

/// A card that fits `config`: motifs "motif0".., scales 1, focus in the middle of `window`.
ModelCard card_for(GetConfig const& config, std::int64_t window);

/// Seeded weights with every bias and norm moved off its initial value, so that a forgotten one shows.
ModelCard write_random_weights(std::filesystem::path const& file, GetConfig const& config,
                               std::int64_t window, std::uint64_t seed = 5);

/// Uniform in [low, high), from (Stream::tests, number).
std::vector<float> uniform_values(std::size_t count, std::uint32_t number, double low, double high);

/// An atlas with about half of the raw values zero, scales that let some values pass 1, and a quantitative
/// accessibility column.
struct Table {
    Table(std::int64_t regions, std::int64_t motifs);
    std::int64_t regions;
    std::int64_t motifs;
    std::vector<float> features, scales, accessibility;
};

/// As Compute::device: the host, and a GPU where one is visible.
std::vector<int> devices();
std::string name_of_device(int device);  ///< "host", "gpu"

/// main() of a program that writes what a script in Python compares. `run` gets the words of the command line
/// and returns whether they were as `usage` says.
int dump_main(int argc, char** argv, char const* usage,
              std::function<bool(std::vector<std::string> const&)> const& run);

/// The message of the usage error `body` throws (exit code 2), or a text that says what happened instead.
template <typename Body>
std::string usage_message(Body&& body) {
    try {
        body();
    } catch (Error const& error) {
        if (error.exit_code() == 2) return error.what();
        return std::string("not a usage error: ") + error.what();
    }
    return "nothing was thrown";
}

}  // namespace mpira::model::tests

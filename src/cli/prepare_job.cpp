#include <unistd.h>

#include <fmt/format.h>

#include "mpira/base/draft_file.hpp"
#include "mpira/base/error.hpp"
#include "mpira/cli/read_settings.hpp"

#include "cli/campaign.hpp"

namespace mpira::cli {

std::string read_on_root(std::filesystem::path const& file, comm::Communicator const& world) {
    std::string answer;  // "t" and the text, or "e" and the error
    if (world.is_root()) {
        try {
            answer = fmt::format("t{}", read_text(file));
        } catch (Error const& error) {
            answer = fmt::format("e{}", error.what());
        }
    }
    answer = world.bcast(std::move(answer));
    comm::everywhere(world, [&] { require(answer.front() == 't', answer.substr(1)); });
    return answer.substr(1);
}

PreparedJob prepare_job(CommandLine const& line, comm::Communicator const& world) {
    require(
        line.job != "train",
        "there is no plan of train: its log gives the seconds of an epoch on so many ranks; multiply those "
        "by the epochs of its settings (mpira config train)");
    auto const& entry = jobs::find_job(line.job);  // the same verdict on every rank: all have the same argv
    auto const text = read_on_root(line.config, world);
    auto const source = line.config.empty() ? std::string("command line") : line.config.string();
    auto settings = comm::everywhere(world, [&] {
        return parse_settings(with_campaign_schema(entry.schema()), text, source, line.overrides);
    });
    auto device = comm::choose_device(world, comm::to_device_wish(settings.text("device")));
    jobs::Place const place{device.ordinal, static_cast<int>(settings.integer("threads"))};
    auto job = comm::everywhere(world, [&] { return entry.make(settings, place); });
    return {std::move(settings), std::move(device), std::move(job)};
}

void refuse_inputs_as_output(std::filesystem::path const& output, Settings const& settings) {
    for (auto const& spec : settings.schema()) {
        if (spec.key == "output") continue;
        std::vector<std::string> texts;
        if (spec.kind == SettingKind::text) texts = {settings.text(spec.key)};
        if (spec.kind == SettingKind::texts) texts = settings.texts(spec.key);
        for (auto const& text : texts) {
            auto const named = text.substr(text.find('=') + 1);  // "Kc=peaks.bed"
            if (same_file(text, output) || same_file(named, output))
                settings.refuse(spec.key, fmt::format("{} is an input and can't be the output, too; name "
                                                      "another --output",
                                                      output.string()));
        }
    }
}

std::filesystem::path output_path(std::filesystem::path const& from_command_line, Settings const& settings) {
    namespace fs = std::filesystem;
    auto path = from_command_line.empty() ? settings.path("output") : from_command_line;
    if (path.empty()) settings.refuse("output", "where should the result go? --output FILE.h5ad");
    auto const name = path.string();
    std::error_code code;
    require_file_or_nothing(path);
    require(path.extension() == ".h5ad",
            fmt::format("{}: a result's name ends in .h5ad, as anndata expects", name));
    auto const folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
    require(fs::is_directory(folder, code),
            fmt::format("{}: there is no folder {}; make it first (mkdir -p)", name, folder.string()));
    require(::access(folder.c_str(), W_OK | X_OK) == 0,
            fmt::format("{}: folder {} can't be written to", name, folder.string()));
    refuse_inputs_as_output(path, settings);
    return path;
}

}  // namespace mpira::cli

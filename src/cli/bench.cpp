// This installation measured: what its model, its insertion path, its handing out, its writing and its sums
// reach, each beside its own limit in the same run.
#include <array>
#include <cstdio>
#include <optional>

#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "mpira/base/draft_file.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/base/text.hpp"
#include "mpira/cli/commands.hpp"
#include "mpira/comm/runtime.hpp"
#include "mpira/report/run_header.hpp"
#include "mpira/store/text_output.hpp"

#include "cli/bench_parts.hpp"
#include "cli/version.hpp"

namespace mpira::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// A folder of the bench's own, removed at the end. Made and removed by rank 0.
class Scratch {
public:
    Scratch(comm::CommView world, fs::path const& where) : world_(world) {
        path_ = where / fmt::format("mpira-bench-{}", world_.bcast_value(::getpid()));
        comm::everywhere(world_, [&] {
            std::error_code code;
            if (!world_.is_root()) return;
            bool const is_made = fs::create_directory(path_, code);
            require(is_made,
                    fmt::format("{}: a folder for some files of the bench can't be made ({}); name a "
                                "place with --folder",
                                path_.string(), code ? code.message() : "it exists"));
        });
        comm::everywhere(world_, [&] {
            require(fs::is_directory(path_),
                    fmt::format("{} is not seen on {}: --folder must be on a file system of all ranks",
                                path_.string(), comm::host_name()));
        });
    }
    Scratch(Scratch const&) = delete;
    Scratch& operator=(Scratch const&) = delete;
    ~Scratch() {
        std::error_code code;
        if (world_.is_root()) fs::remove_all(path_, code);
    }
    [[nodiscard]] fs::path const& path() const { return path_; }

private:
    comm::CommView world_;
    fs::path path_;
};

json to_json(Rounds const& rounds) {
    return {{"median", rounds.median}, {"least", rounds.least}, {"most", rounds.most}};
}

std::string range(Rounds const& rounds, char const* format) {
    return fmt::format("{} ({} to {})", fmt::format(fmt::runtime(format), rounds.median),
                       fmt::format(fmt::runtime(format), rounds.least),
                       fmt::format(fmt::runtime(format), rounds.most));
}

/// Lines of the table as they come, and the JSON at the end.
class Report {
public:
    Report(comm::CommView world, bool as_json) : is_root_(world.is_root()), as_json_(as_json) {}

    void line(char const* part, std::string const& text) const {
        if (!is_root_ || as_json_) return;
        fmt::print("{:<9} {}\n", part, text);
        std::fflush(stdout);
    }
    void keep(char const* part, json value) { all_[part] = std::move(value); }
    void end() const {
        if (is_root_ && as_json_) fmt::print("{}\n", all_.dump(2));
    }
    [[nodiscard]] std::string text() const { return all_.dump(2) + '\n'; }

private:
    bool is_root_;
    bool as_json_;
    json all_ = json::object();
};

}  // namespace

int bench(CommandLine const& line, comm::Communicator const& world) {
    log::set_rank(world.rank(), line.verbose);
    auto const& options = line.bench;
    auto file = comm::everywhere(world, [&]() -> std::optional<store::TextOutput> {
        if (!world.is_root() || line.output.empty()) return std::nullopt;
        refuse_input_as_output(line.output, std::array{options.weights});
        return store::TextOutput(line.output, line.overwrite);  // refused before anything is measured
    });
    Scratch const scratch(world, options.folder);
    Report report(world, line.json);
    auto const device = comm::choose_device(world, comm::DeviceWish::automatic);
    auto const hosts = report::count_equal(world.all_gather(comm::host_name()));
    auto const devices = report::count_equal(world.all_gather(device.name));
    report.line("ranks", fmt::format("{} ({}), {}", world.size(), hosts, devices));
    report.keep("machine",
                {{"program", versions()}, {"ranks", world.size()}, {"hosts", hosts}, {"devices", devices}});

    auto const model =
        bench_model(world, device, options.weights, options.small, scratch.path(), options.seconds);
    report.line("model",
                fmt::format("{}, f32: {} windows/s a rank, {:.1f} GFLOP/s, {} of matrix products of the "
                            "same shapes",
                            model.name, range(model.windows_per_s, "{:.4g}"), model.operations_per_s / 1e9,
                            range(model.share_of_products, "{:.3f}")));
    if (model.onednn_to_blas.median > 0)
        report.line("products", fmt::format("oneDNN multiplies {} times as fast as LibTorch's BLAS here "
                                            "(model.products, train.products)",
                                            range(model.onednn_to_blas, "{:.3f}")));
    auto others = json::array();
    for (auto const& one : model.others) {
        report.line("settings", fmt::format("{} predicts {} times the windows of the default", one.settings,
                                            range(one.to_default, "{:.3f}")));
        others.push_back({{"settings", one.settings}, {"to_default", to_json(one.to_default)}});
    }
    report.line("overhead",
                fmt::format("the insertion path predicts {} times the windows of the whole forward",
                            range(model.insertions_to_forward, "{:.3f}")));
    report.keep("model", {{"name", model.name},
                          {"windows_per_s_a_rank", to_json(model.windows_per_s)},
                          {"flops_a_rank", model.operations_per_s},
                          {"share_of_products", to_json(model.share_of_products)},
                          {"onednn_to_blas", to_json(model.onednn_to_blas)},
                          {"other_settings", std::move(others)}});
    report.keep("overhead", {{"insertions_to_forward", to_json(model.insertions_to_forward)}});

    auto const dispatch = bench_dispatch(world, scratch.path(), options.seconds);
    report.line("dispatch",
                fmt::format("{} units of {} ms: {} of the ranks' time in units, {:.0f} us a unit beside "
                            "them, commits included",
                            dispatch.units, 1000 * dispatch.unit_s, range(dispatch.efficiency, "{:.3f}"),
                            1e6 * dispatch.over_s));
    report.keep("dispatch", {{"units", dispatch.units},
                             {"unit_s", dispatch.unit_s},
                             {"efficiency", to_json(dispatch.efficiency)},
                             {"beside_a_unit_s", dispatch.over_s}});

    auto const write = bench_write(world, scratch.path(), options.seconds);
    report.line("write",
                fmt::format("{:.0f} MiB in units of 1 MiB: {} MiB/s committed, {} of plain writes of one "
                            "file",
                            write.mib, range(write.ours_mib_s, "{:.0f}"), range(write.ratio, "{:.3f}")));
    report.keep("write", {{"mib", write.mib},
                          {"plain_mib_s", to_json(write.plain_mib_s)},
                          {"ours_mib_s", to_json(write.ours_mib_s)},
                          {"ratio", to_json(write.ratio)}});

    auto const reduce = bench_reduce(world, device, options.seconds);
    auto sums = json::array();
    if (reduce.empty()) report.line("reduce", "one rank: nothing to sum");
    for (auto const& one : reduce) {
        auto const bytes = static_cast<std::uint64_t>(one.bytes);
        report.line("reduce",
                    fmt::format("{} by {}: {} MB/s bus bandwidth", text::bytes(bytes), one.by,
                                range({one.bus_bytes_per_s.median / 1e6, one.bus_bytes_per_s.least / 1e6,
                                       one.bus_bytes_per_s.most / 1e6},
                                      "{:.0f}")));
        sums.push_back({{"bytes", bytes}, {"by", one.by}, {"bus_bytes_per_s", to_json(one.bus_bytes_per_s)}});
    }
    report.keep("reduce", std::move(sums));
    auto const advice = advice_of(model.others);
    report.line("advice", advice);
    report.keep("advice", advice);
    report.end();
    comm::everywhere(world, [&] {
        if (!file) return;
        file->write(report.text());
        file->place();
    });
    return 0;
}

}  // namespace mpira::cli

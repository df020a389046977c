// A campaign without science: random rows whose bytes can be recomputed anywhere, after pauses of
// heavy-tailed length. Tests, `mpira doctor` and people trying their launcher run it.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <numbers>
#include <set>
#include <thread>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <fmt/format.h>

#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/philox.hpp"
#include "mpira/base/text.hpp"

#include "jobs/entries.hpp"

namespace mpira::jobs {
namespace {

std::set<std::uint64_t> units_of(Settings const& settings, std::string_view key) {
    std::set<std::uint64_t> units;
    for (auto const& item : settings.texts(key)) {
        auto const number = text::to_integer(item);
        if (!number || *number < 0)
            settings.refuse(key, fmt::format("'{}' is no unit number, expected 0, 1, 2, ...", item));
        units.insert(static_cast<std::uint64_t>(*number));
    }
    return units;
}

class Synthetic final : public store::Job {
public:
    explicit Synthetic(Settings const& settings)
        : seed_(settings.count("seed")),
          columns_(settings.count("columns")),
          mean_s_(settings.number("duration.mean_ms") / 1000),
          sigma_(settings.number("duration.sigma")),
          costs_known_(settings.flag("duration.known")),
          spins_(settings.text("duration.kind") == "spin"),
          failing_(units_of(settings, "fail.always")),
          flaky_(units_of(settings, "fail.once")),
          killing_(units_of(settings, "fail.kill")),
          crashing_(units_of(settings, "fail.crash")),
          hanging_(units_of(settings, "fail.hang")),
          marks_(settings.path("fail.marks")) {
        if (!flaky_.empty() && !std::filesystem::is_directory(marks_))
            settings.refuse("fail.marks", "fail.once needs a folder here, which all ranks see");
        layout_.job = "synthetic";
        layout_.rows = settings.count("rows");
        layout_.rows_per_unit = settings.count("rows_per_unit");
        layout_.row_arrays = {{"X", store::Type::f32, {columns_}}, {"obs/row_sum", store::Type::f64, {}}};
        layout_.fixed_arrays = {{"varm/maximum", store::Type::f32, {columns_, 1}, {}}};
        layout_.identity = settings.to_json(true);
        if (auto const input = settings.path("input"); !input.empty())
            layout_.identity["input_hash"] = hash_file(input);
    }

    [[nodiscard]] store::ResultLayout const& layout() const override { return layout_; }

    [[nodiscard]] store::ResultTables tables() const override {
        store::ResultTables tables;
        for (std::uint64_t row = 0; row < layout_.rows; ++row)
            tables.obs.index.push_back(fmt::format("row{}", row));
        for (std::uint64_t column = 0; column < columns_; ++column)
            tables.var.index.push_back(fmt::format("column{}", column));
        tables.uns["formula"] = "X[row, column]: uniform [0, 1) from Philox4x32-10, key seed, stream data";
        return tables;
    }

    [[nodiscard]] double relative_cost(std::uint64_t unit) const override {
        return costs_known_ ? std::max(seconds_of(unit), 1e-9) : 1.0;
    }

    void run(std::uint64_t unit, store::UnitRows& rows, std::stop_token stop) override {
        if (killing_.contains(unit)) ::raise(SIGKILL);  // as the out-of-memory killer would
        if (crashing_.contains(unit)) ::raise(SIGSEGV);
        while (hanging_.contains(unit))
            std::this_thread::sleep_for(std::chrono::seconds(1));  // hears no stop
        pause(seconds_of(unit), stop);
        if (failing_.contains(unit))
            throw Error(Origin::system, fmt::format("unit {} was told to fail", unit));
        if (flaky_.contains(unit) && leave_mark(unit))
            throw Error(Origin::system, fmt::format("unit {} was told to fail once", unit));
        auto const values = rows.array<float>("X");
        auto const sums = rows.array<double>("obs/row_sum");
        for (std::uint64_t i = 0; i < rows.row_count(); ++i) {
            auto const row = rows.first_row() + i;
            Draws draws(seed_, Stream::data, static_cast<std::uint32_t>(row),
                        static_cast<std::uint32_t>(row >> 32U));
            for (std::uint64_t column = 0; column < columns_; ++column) {
                auto const value = static_cast<float>(draws.next() >> 40U) * 0x1.0p-24F;
                values[i * columns_ + column] = value;
                sums[i] += static_cast<double>(value);
            }
        }
    }

    void finish(store::FinishedRows& rows) override {
        auto const values = rows.array<float>("X");
        auto const maxima = rows.fixed_array<float>("varm/maximum");
        std::fill(maxima.begin(), maxima.end(), 0.0F);
        for (std::size_t i = 0; i < values.size(); ++i)
            maxima[i % columns_] = std::max(maxima[i % columns_], values[i]);
    }

    [[nodiscard]] std::string describe() const override {
        return fmt::format("{} rows x {} random columns, {} a unit, {:.3g} ms each", layout_.rows, columns_,
                           layout_.rows_per_unit, mean_s_ * 1000);
    }

private:
    /// Lognormal with mean mean_s_: exp(mu + sigma z), mu = log(mean) - sigma^2 / 2; z by Box and Muller.
    [[nodiscard]] double seconds_of(std::uint64_t unit) const {
        Draws draws(seed_, Stream::tests, static_cast<std::uint32_t>(unit),
                    static_cast<std::uint32_t>(unit >> 32U));
        double const radius = std::sqrt(-2 * std::log(1 - draws.uniform()));
        double const z = radius * std::cos(2 * std::numbers::pi * draws.uniform());
        return mean_s_ * std::exp(sigma_ * z - sigma_ * sigma_ / 2);
    }

    /// True for the first process that asks for this unit: the second try may be on another rank.
    [[nodiscard]] bool leave_mark(std::uint64_t unit) const {
        auto const mark = marks_ / fmt::format("unit{}", unit);
        int const descriptor = ::open(mark.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0640);
        if (descriptor >= 0) ::close(descriptor);
        return descriptor >= 0;
    }

    void pause(double seconds, std::stop_token const& stop) const {
        using Clock = std::chrono::steady_clock;
        auto const end = Clock::now() +
                         std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
        while (Clock::now() < end) {
            if (stop.stop_requested()) throw Error(Origin::stopped, "stopped within a unit");
            if (spins_) continue;
            auto const slice = Clock::now() + std::chrono::milliseconds(50);
            std::this_thread::sleep_until(std::min(end, slice));
        }
    }

    std::uint64_t seed_;
    std::uint64_t columns_;
    double mean_s_;
    double sigma_;
    bool costs_known_;
    bool spins_;
    std::set<std::uint64_t> failing_;
    std::set<std::uint64_t> flaky_;
    std::set<std::uint64_t> killing_;
    std::set<std::uint64_t> crashing_;
    std::set<std::uint64_t> hanging_;
    std::filesystem::path marks_;
    store::ResultLayout layout_;
};

std::vector<SettingSpec> schema() {
    using enum SettingKind;
    using Texts = std::vector<std::string>;
    return {
        {"seed", integer, std::int64_t{1}, "Seed of every random number.", Affects::result, {}, 0, 9e15},
        {"rows", integer, std::int64_t{20000}, "Rows of the result.", Affects::result, {}, 1, 4e9},
        {"columns", integer, std::int64_t{16}, "Columns of the result.", Affects::result, {}, 1, 1e6},
        {"rows_per_unit", integer, std::int64_t{20}, "Rows of a unit of work.", Affects::result, {}, 1, 1e9},
        {"input", text, std::string(), "Any file; its content becomes part of the campaign's identity.",
         Affects::result},
        {"duration.mean_ms",
         number,
         10.0,
         "Mean duration of a unit in milliseconds.",
         Affects::run,
         {},
         0,
         1e7},
        {"duration.sigma",
         number,
         1.0,
         "Spread of the lognormal durations; 0: all alike.",
         Affects::run,
         {},
         0,
         5},
        {"duration.known", flag, true, "Whether the scheduler is told the durations beforehand.",
         Affects::run},
        {"duration.kind",
         text,
         std::string("sleep"),
         "Sleep, or keep a core busy.",
         Affects::run,
         {"sleep", "spin"}},
        {"fail.always", texts, Texts{}, "Numbers of units that fail each time they run.", Affects::run},
        {"fail.once", texts, Texts{}, "Numbers of units that fail the first time they run; needs fail.marks.",
         Affects::run},
        {"fail.marks", text, std::string(), "A folder that remembers which units of fail.once have failed.",
         Affects::run},
        {"fail.kill", texts, Texts{}, "Numbers of units that kill their process (SIGKILL).", Affects::run},
        {"fail.crash", texts, Texts{}, "Numbers of units that crash their process (SIGSEGV).", Affects::run},
        {"fail.hang", texts, Texts{}, "Numbers of units that never end and hear no signal.", Affects::run},
    };
}

std::unique_ptr<store::Job> make(Settings const& settings, Place const& /*place*/) {
    return std::make_unique<Synthetic>(settings);
}

}  // namespace

JobEntry synthetic_entry() {
    return {"synthetic",
            "random rows after pauses of uneven length: try a launcher, a file system, a restart",
            "mpirun -n 4 mpira synthetic --set rows=100000 --output synthetic.h5ad", schema, make};
}

}  // namespace mpira::jobs

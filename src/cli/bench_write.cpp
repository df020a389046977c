#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>

#include <fcntl.h>
#include <unistd.h>

#include "mpira/base/error.hpp"
#include "mpira/base/philox.hpp"
#include "mpira/store/file_io.hpp"

#include "cli/bench_parts.hpp"

namespace mpira::cli {

using namespace store;

WriteRace::WriteRace(comm::CommView world, std::filesystem::path folder, std::uint64_t units_a_rank)
    : world_(world), folder_(std::move(folder)) {
    auto const ranks = static_cast<std::uint64_t>(world_.size());
    layout_.job = "write";
    layout_.rows = units_a_rank * ranks;
    layout_.row_arrays = {{"obsm/row", Type::u8, {kUnitBytes}}};
    rows_.reserve(units_a_rank);
    for (std::uint64_t i = 0; i < units_a_rank; ++i) {
        rows_.emplace_back(layout_, i * ranks + static_cast<std::uint64_t>(world_.rank()));
        Draws draws(1, Stream::tests, static_cast<std::uint32_t>(rows_.back().unit()));
        auto const bytes = rows_.back().array<std::uint8_t>("obsm/row");
        for (std::size_t k = 0; k + sizeof(std::uint64_t) <= bytes.size(); k += sizeof(std::uint64_t)) {
            std::uint64_t const word = draws.next();
            std::memcpy(bytes.data() + k, &word, sizeof word);
        }
    }
    for (auto const& unit : rows_) finished_.push_back({&unit, {1, 0.1, "bench"}});
}

double WriteRace::timed(std::function<void()> const& body) const {
    world_.barrier();
    auto const begin = std::chrono::steady_clock::now();
    comm::everywhere(world_, body);
    return world_.all_max(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
}

double WriteRace::plain() const {
    auto const file = folder_ / "plain.bin";
    comm::everywhere(world_, [&] {
        if (!world_.is_root()) return;
        Descriptor const made(::open(file.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
        require(made.is_open() && system_io().reserve(made.get(), layout_.rows * kUnitBytes) == 0,
                file.string() + ": can't be made, or there is no space for it");
        system_io().fsync(made.get());
    });
    auto const descriptor = comm::everywhere(world_, [&] { return open_existing(file, true); });
    double const seconds = timed([&] {
        for (std::size_t i = 0; i < rows_.size(); i += kBatch) {
            for (std::size_t k = i; k < std::min(i + kBatch, rows_.size()); ++k)
                write_all(system_io(), descriptor.get(), rows_[k].raw(0), rows_[k].first_row() * kUnitBytes,
                          file);
            require(::fdatasync(descriptor.get()) == 0, file.string() + ": fdatasync failed");
        }
    });
    if (world_.is_root()) std::filesystem::remove(file);
    world_.barrier();
    return seconds;
}

double WriteRace::ours(WriteMode mode) const {
    auto const file = folder_ / "write.h5ad";
    comm::everywhere(world_, [&] {
        if (!world_.is_root()) return;
        ResultTables tables;
        for (std::uint64_t i = 0; i < layout_.rows; ++i) tables.obs.index.push_back(std::to_string(i));
        ResultFile::create(file, layout_, tables);
    });
    double seconds = 0;
    {
        auto opened = comm::everywhere(world_, [&] {
            return ResultFile::open(file, layout_, {mode, nullptr});
        });
        seconds = timed([&] {
            for (std::size_t i = 0; i < finished_.size(); i += kBatch)
                opened.commit(std::span(finished_).subspan(i, std::min(kBatch, finished_.size() - i)));
        });
    }
    world_.barrier();
    if (world_.is_root()) std::filesystem::remove(file);
    world_.barrier();
    return seconds;
}

WriteSpeed bench_write(comm::CommView world, std::filesystem::path const& folder, double seconds) {
    WriteRace const race(world, folder, WriteRace::kBatch);
    std::vector<double> plain, ours, ratio;
    double spent = 0;
    for (int round = 0; round < 2 || spent < seconds; ++round) {  // the same on every rank: timed() agrees
        double const a = race.plain();
        double const b = race.ours(WriteMode::direct);
        spent += a + b;
        if (round == 0) continue;  // warms up
        plain.push_back(race.mib() / a);
        ours.push_back(race.mib() / b);
        ratio.push_back(a / b);
    }
    return {race.mib(), rounds_of(plain), rounds_of(ours), rounds_of(ratio)};
}

}  // namespace mpira::cli

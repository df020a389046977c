#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "mpira/comm/communicator.hpp"
#include "mpira/schedule/progress.hpp"
#include "mpira/store/job.hpp"

namespace mpira::schedule {

/// What a resume reads back before it trusts the file: nothing, a sample of the units, all of them.
enum class ResumeCheck { none, sample, all };

/// How rows get into the file: straight to the dataset's place in it, or each rank by itself through HDF5's
/// MPI-IO driver. The names are those of store::WriteMode.
enum class WritePath { direct, mpiio };

struct CampaignOptions {
    bool fresh = false;      ///< start over; an existing file then needs `overwrite`
    bool overwrite = false;  ///< with fresh: the existing file is renamed to FILE.old
    bool reserve = true;     ///< reserve the file's whole size on disk at the start
    int stripes = 0;  ///< the file's data over so many of Lustre's storage targets; -1: all, 0: as its folder
    double owner_wait_s = 15;  ///< how long to wait while another run writes the file
    ResumeCheck check = ResumeCheck::sample;
    WritePath write = WritePath::direct;
    /// A rank commits its finished rows when the first of these is reached.
    double commit_s = 5;
    std::uint64_t commit_units = 64;
    std::uint64_t commit_bytes = std::uint64_t{256} << 20;
    double finish_s = 10;  ///< after a gentle stop the unit at hand may go on so long; then it is dropped
    /// This rank's machine, for the journal: GPU or CPU model ("NVIDIA H100", "AMD EPYC 9654").
    std::string machine;
    /// This build ("0.1.0 (git 1a2b3c, LibTorch 2.11.0)"), noted in a new file. Empty: not noted, and none is
    /// asked for.
    std::string program;
    bool allow_mixed = false;  ///< resume on another machine model, or by another build
    /// A rank that is at one unit for longer ends the job, named with its unit and host; the unit is charged
    /// as if it had crashed. 0: never.
    double unit_timeout_s = 0;
    /// Rank 0, when it has made the file anew and owns it, before any unit runs: what an earlier campaign
    /// left beside the file goes. Never for a start that is refused.
    std::function<void()> on_created;
    int attendants = 0;  ///< processes beside the campaign's ranks that note what they do (Attendant)
    /// How progress is told; rank 0 only. Called from the leader's thread. Empty: Progress on stderr.
    std::function<void(ProgressReport const&)> on_progress;
};

/// What one rank did in this run.
struct RankShare {
    int rank = 0;
    std::string host;
    std::uint64_t units = 0;
    double busy_s = 0;  ///< in Job::run
};

struct CampaignOutcome {
    std::uint64_t units = 0;
    std::uint64_t done = 0;         ///< committed, in the file, now
    std::uint64_t done_before = 0;  ///< of these, by earlier runs
    std::uint64_t set_aside = 0;    ///< failed, or ended their process, twice; the journal has the reasons
    bool stopped = false;           ///< a signal ended the run
    bool finished = false;          ///< all units done and Job::finish has run
    double seconds = 0;             ///< from the first claim to the last commit
    double commit_s = 0;            ///< the ranks' mean time spent in commits (beside the computing)
    std::vector<RankShare> shares;  ///< on every rank

    [[nodiscard]] std::uint64_t left() const noexcept { return units - done; }
    /// 0 all done and finished, 3 partly done: run again to resume.
    [[nodiscard]] int exit_code() const noexcept { return finished ? 0 : 3; }
};

/// Runs what is left of a job, on all ranks, until every unit is done or set aside or a signal stops it.
/// [collective] Each rank passes its own Job, made from the same settings, and equal options but for
/// `machine`.
///
/// Rank 0 creates the result file or opens the existing one (another campaign's, a changed setting, another
/// owner at work: refused by name, on all ranks), leads from a thread of its own and computes as the others
/// do. A rank holds its next unit before it finishes the present one; a committer thread a rank writes the
/// finished rows. A unit that throws is tried once more, then set aside with its error. While it runs,
/// SIGUSR1, SIGTERM and SIGINT of any rank stop all ranks (comm/stop.hpp).
///
/// A run that dies leaves RESULT.flight behind (store/in_flight.hpp); the next one learns from it whose unit
/// ended the run and charges that, or runs suspects in quarantine; two charges set a unit aside.
///
/// Threads: called on the main thread, Job::run runs on it. Errors: usage and file errors are
/// CollectiveErrors; a rank that fails outside a unit (a commit that can't be written) throws alone, and
/// run_main then ends the job within seconds.
CampaignOutcome run_campaign(comm::Communicator const& world, store::Job& job,
                             std::filesystem::path const& result, CampaignOptions const& options = {});

}  // namespace mpira::schedule

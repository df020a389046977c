#include "store/draft.hpp"

#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "mpira/base/draft_file.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/store/owner.hpp"

#include "store/result_map.hpp"

namespace mpira::store {
namespace {

bool is_there(std::filesystem::path const& file) {
    return std::filesystem::exists(std::filesystem::symlink_status(file));
}

bool has_name(int descriptor) {
    struct stat info {};
    return ::fstat(descriptor, &info) == 0 && info.st_nlink > 0;
}

void require_nothing(std::filesystem::path const& output, bool overwrite) {
    require(std::filesystem::is_directory(folder_of(output)),
            fmt::format("output {}: there is no folder {}", output.string(), folder_of(output).string()));
    require(!is_there(output) || overwrite,
            fmt::format("output {} exists; pass --overwrite (the old one becomes {}) or another --output",
                        output.string(), aside_name(output).string()));
}

}  // namespace

void write_file(std::filesystem::path const& file, std::span<std::byte const> bytes) {
    Descriptor const made(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640));
    if (!made.is_open()) fail_errno("creating", file.string());
    write_all(system_io(), made.get(), bytes, 0, file);
}

void require_new(std::filesystem::path const& file, bool overwrite) {
    require_file_or_nothing(file);
    require_nothing(file, overwrite);
}

void require_new_folder(std::filesystem::path const& folder, bool overwrite) {
    if (is_there(folder)) {
        require(std::filesystem::is_directory(std::filesystem::symlink_status(folder)),
                fmt::format("output {} is no folder; name another", folder.string()));
    }
    require_nothing(folder, overwrite);
}

Draft::Draft(std::filesystem::path const& target, FileIo& io, int stripes) : target_(target), io_(&io) {
    remove_leftover_drafts(target, [&](auto const& left) { return io.unlink(left); });
    bool told = false;
    auto const striped = [&](std::filesystem::path const& path) {
        bool const made = io.make_striped(path, stripes);
        if (!made && !std::exchange(told, true))
            log::info("store.stripe = {} has no effect: {} is not on Lustre", stripes,
                      folder_of(target).string());
        return made;
    };
    auto made = stripes == 0 ? open_draft(target) : open_draft(target, striped);
    path_ = std::move(made.path);
    descriptor_ = Descriptor(made.descriptor);
}

Draft::~Draft() {
    if (!placed_) io_->unlink(path_);
}

void Draft::place(bool overwrite, double owner_wait_s) {
    if (io_->fsync(descriptor_.get()) != 0) fail_errno("syncing", path_.string());
    if (overwrite && is_there(target_)) {
        require_file_or_nothing(target_);  // still
        std::optional<Owner> old;          // not under the feet of a campaign that is writing it
        if (is_result_file(target_)) old.emplace(Owner::claim(target_, "overwrite", owner_wait_s, *io_));
        auto const aside = aside_name(target_);
        if (io_->rename(target_, aside) != 0) fail_errno("renaming to " + aside.string(), target_.string());
    }
    if (io_->rename_new(path_, target_) != 0) {
        require(errno != EEXIST,
                fmt::format("output {} has just been created by somebody else", target_.string()));
        fail_errno("renaming into place", target_.string());
    }
    placed_ = true;
    ::flock(descriptor_.get(), LOCK_UN);  // HDF5 programs lock what they read
    if (io_->sync_folder(folder_of(target_)) != 0) fail_errno("syncing folder", folder_of(target_).string());
}

FolderDraft::FolderDraft(std::filesystem::path const& target, FileIo& io) : target_(target), io_(&io) {
    remove_leftover_drafts(target, [&](auto const& left) { return io.unlink(left); });
    constexpr int kTries = 100;
    for (int i = 0; i < kTries && !descriptor_.is_open(); ++i) {
        path_ = draft_name(target);
        if (::mkdir(path_.c_str(), 0750) != 0) {
            require(errno == EEXIST, fmt::format("output {}: can't make a folder in {}: {}", target.string(),
                                                 folder_of(target).string(), std::strerror(errno)));
            continue;
        }
        Descriptor made(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        bool const taken =
            !made.is_open() || (::flock(made.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK);
        if (!taken && has_name(made.get())) descriptor_ = std::move(made);
    }
    ensure(descriptor_.is_open(), "no name for a draft of " + target.string());
}

FolderDraft::~FolderDraft() {
    std::error_code ignored;
    if (!placed_) std::filesystem::remove_all(path_, ignored);
}

void FolderDraft::place(bool overwrite) {
    if (::syncfs(descriptor_.get()) != 0) fail_errno("syncing", path_.string());
    if (overwrite && is_there(target_)) {
        require_new_folder(target_, overwrite);  // still
        auto const aside = aside_name(target_);
        if (io_->rename(target_, aside) != 0) fail_errno("renaming to " + aside.string(), target_.string());
    }
    // No RENAME_NOREPLACE on some network file systems, and no hard links to folders; but rename() itself
    // replaces a folder only when that is empty.
    if (io_->rename_new(path_, target_) != 0 && (errno == EEXIST || io_->rename(path_, target_) != 0)) {
        require(errno != EEXIST && errno != ENOTEMPTY,
                fmt::format("output {} has just been created by somebody else", target_.string()));
        fail_errno("renaming into place", target_.string());
    }
    placed_ = true;
    if (io_->sync_folder(folder_of(target_)) != 0) fail_errno("syncing folder", folder_of(target_).string());
}

namespace {

h5::Properties access_to_create(std::uint64_t threshold, std::uint64_t alignment) {
    h5::silence();
    h5::Properties access(h5::check(H5Pcreate(H5P_FILE_ACCESS), "H5Pcreate"));
    h5::check(H5Pset_file_locking(access.get(), false, true), "H5Pset_file_locking");
    h5::check(H5Pset_alignment(access.get(), threshold, alignment), "H5Pset_alignment");
    h5::check(H5Pset_small_data_block_size(access.get(), 0), "H5Pset_small_data_block_size");
    // The oldest format on purpose: the newer superblock keeps a "being written" mark that a kill leaves set.
    h5::check(H5Pset_libver_bounds(access.get(), H5F_LIBVER_EARLIEST, H5F_LIBVER_V110),
              "H5Pset_libver_bounds");
    return access;
}

}  // namespace

h5::File create_hdf5(std::filesystem::path const& path) {
    constexpr std::uint64_t kAlignment = 128;
    auto const access = access_to_create(1, kAlignment);
    h5::Properties const plan(h5::check(H5Pcreate(H5P_FILE_CREATE), "H5Pcreate"));
    h5::check(H5Pset_obj_track_times(plan.get(), false), "H5Pset_obj_track_times");
    return h5::File(h5::check(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, plan.get(), access.get()),
                              "creating " + path.string()));
}

h5::File reopen_for_large(std::filesystem::path const& path) {
    constexpr std::uint64_t kPage = 4096;
    auto const access = access_to_create(kLargeBytes, kPage);
    return h5::File(h5::check(H5Fopen(path.c_str(), H5F_ACC_RDWR, access.get()), "opening " + path.string()));
}

}  // namespace mpira::store

#include "store/draft.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/store/owner.hpp"

#include "store/result_map.hpp"

namespace mpira::store {
namespace {

bool is_there(std::filesystem::path const& file) {
    return std::filesystem::exists(std::filesystem::symlink_status(file));
}

}  // namespace

std::filesystem::path folder_of(std::filesystem::path const& file) {
    return file.has_parent_path() ? file.parent_path() : ".";
}

void require_new(std::filesystem::path const& file, bool overwrite) {
    require(std::filesystem::is_directory(folder_of(file)),
            fmt::format("output {}: there is no folder {}", file.string(), folder_of(file).string()));
    require(!is_there(file) || overwrite,
            fmt::format("output {} exists; pass --overwrite (the old one becomes {}.old) or another --output",
                        file.string(), file.string()));
}

Draft::Draft(std::filesystem::path const& target, FileIo& io) : target_(target), io_(&io) {
    std::string name = (folder_of(target) / fmt::format(".{}.XXXXXX", target.filename().string())).string();
    descriptor_ = Descriptor(::mkostemp(name.data(), O_CLOEXEC));  // never through a link somebody left there
    if (!descriptor_.is_open()) {
        fail_usage(fmt::format("output {}: can't create a file in {}: {}", target.string(),
                               folder_of(target).string(), std::strerror(errno)));
    }
    path_ = name;
    constexpr mode_t kOwnerAndGroup = 0640;
    ::fchmod(descriptor_.get(), kOwnerAndGroup);
}

Draft::~Draft() {
    if (!placed_) io_->unlink(path_);
}

void Draft::place(bool overwrite, double owner_wait_s) {
    if (io_->fsync(descriptor_.get()) != 0) fail_errno("syncing", path_.string());
    if (overwrite && is_there(target_)) {
        std::optional<Owner> old;  // not under the feet of a campaign that is writing it
        if (is_result_file(target_)) old.emplace(Owner::claim(target_, "overwrite", owner_wait_s, *io_));
        auto const aside = std::filesystem::path(target_.string() + ".old");
        if (io_->rename(target_, aside) != 0) fail_errno("renaming to " + aside.string(), target_.string());
    }
    if (io_->rename_new(path_, target_) != 0) {
        require(errno != EEXIST,
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

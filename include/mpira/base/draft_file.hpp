#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <string>

namespace mpira {

/// How every file of ours comes to be: beside its later place as .NAME.<16 drawn digits>.draft, made
/// exclusively (never through a link that somebody left there), with mode 0640 less what the umask takes, and
/// held by a flock while it is written. So what a killed process leaves is told from what a living one
/// writes: the next draft of the same target deletes unlocked ones. Where the file system has no locks,
/// leftovers stay.

/// A name for a draft of `target`, drawn anew by each call.
std::filesystem::path draft_name(std::filesystem::path const& target);

/// Deletes drafts of this target, files and folders, whose process is gone. `unlink`: deletes a file, 0 when
/// it did.
void remove_leftover_drafts(std::filesystem::path const& target,
                            std::function<int(std::filesystem::path const&)> const& unlink);

struct OpenDraft {
    std::filesystem::path path;
    int descriptor = -1;  ///< open for reading and writing, locked; the caller's to close
};
/// A new, empty one. `make`: makes it itself at the path it is given, if it can (true), as a program that
/// lays files out in a special way does. A usage error naming the target where its folder takes none.
OpenDraft open_draft(std::filesystem::path const& target,
                     std::function<bool(std::filesystem::path const&)> const& make = {});

/// The folder a file is, or will be, in.
std::filesystem::path folder_of(std::filesystem::path const& file);

/// The name that what is at `target`, a file or a folder, gets when an output takes its place: TARGET.old, or
/// where that is taken TARGET.old.2 and so on, so that no earlier copy is lost.
std::filesystem::path aside_name(std::filesystem::path const& target);

/// Whether both names lead to one file or folder that is there.
bool same_file(std::filesystem::path const& one, std::filesystem::path const& other);

/// A usage error where `output` is there and is no file (nor a link to one, or to nothing): a folder, a
/// device or a pipe is never put aside for a file.
void require_file_or_nothing(std::filesystem::path const& output);

/// A usage error where `output` is one of the files that it would be made of, or a folder that holds one.
void refuse_input_as_output(std::filesystem::path const& output,
                            std::span<std::filesystem::path const> inputs);

/// Writes `file` whole or not at all: a draft, then renamed over what is there (a link itself, not what it
/// leads to), synced, and the folder too. `write` gets the draft's descriptor. Throws Origin::system or usage
/// naming the file.
void replace_file(std::filesystem::path const& file, std::function<void(int descriptor)> const& write);

}  // namespace mpira

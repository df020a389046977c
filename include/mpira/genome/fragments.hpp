#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace mpira::genome {

/// A sequenced fragment of open chromatin: bases [start, end), 0-based; both ends are cut sites of Tn5.
struct Fragment {
    std::int64_t start = 0;
    std::int64_t end = 0;
    std::string_view barcode;  ///< of its cell; "" where the file has none. Lives as long as the call.
};

/// A fragments file as Cell Ranger ATAC, ArchR and others write it: tab-separated chromosome, start, end and,
/// if there are cells, barcode and the number of reads (not looked at: a line is one fragment); bgzipped,
/// with its index beside it (FILE.tbi or FILE.csi).
///
/// Owner, move-only. Errors: Origin::usage naming the file, and the line's place in the genome, for a file or
/// index that is missing (with the command that makes one), foreign or damaged; fewer than three fields,
/// positions that are no integers, negative or reversed. Threads: one at a time.
class FragmentFile {
public:
    explicit FragmentFile(std::filesystem::path const& file);
    FragmentFile(FragmentFile&&) noexcept;
    FragmentFile& operator=(FragmentFile&&) noexcept;
    ~FragmentFile();

    [[nodiscard]] std::filesystem::path const& file() const noexcept;
    /// Chromosomes that have fragments.
    [[nodiscard]] std::vector<std::string> const& chroms() const noexcept;
    /// Calls `each` with every fragment that shares a base with [start, end) of `chrom`, in the file's order;
    /// with none where the file has no such chromosome.
    void read(std::string_view chrom, std::int64_t start, std::int64_t end,
              std::function<void(Fragment const&)> const& each);
    /// Names the content, by its size and its index: the file itself may be hundreds of gigabytes.
    [[nodiscard]] std::string content_hash() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace mpira::genome

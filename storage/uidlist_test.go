package storage_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"mailstead/storage"
)

// TestUIDListIsASortedList does to a list and to plain UIDs the same.
func TestUIDListIsASortedList(t *testing.T) {
	t.Parallel()
	uid := rapid.Uint32Range(1, 60)
	rapid.Check(t, func(t *rapid.T) {
		var list storage.UIDList
		var plain []storage.UID
		type kept struct {
			list  storage.UIDList
			plain []storage.UID
		}
		var older []kept
		drawSet := func(t *rapid.T) storage.UIDSet {
			var l []storage.UID
			for _, u := range rapid.SliceOfN(uid, 0, 12).Draw(t, "set") {
				l = append(l, storage.UID(u))
			}
			return storage.UIDs(l...)
		}
		equal := func(t *rapid.T, list storage.UIDList, plain []storage.UID) {
			if got := slices.Collect(list.All()); !slices.Equal(got, plain) || list.Len() != len(plain) {
				t.Fatalf("got %v (%d), want %v", got, list.Len(), plain)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				u := list.Last() + storage.UID(rapid.Uint32Range(1, 3).Draw(t, "distance"))
				list, plain = list.Append(u), append(slices.Clip(plain), u)
			},
			"without": func(t *rapid.T) {
				set := drawSet(t)
				list, plain = list.Without(set), slices.DeleteFunc(slices.Clone(plain), set.Contains)
			},
			"with": func(t *rapid.T) {
				set := drawSet(t)
				list, plain = list.With(set), slices.Concat(plain, slices.Collect(set.All()))
				slices.Sort(plain)
				plain = slices.Compact(plain)
			},
			"above": func(t *rapid.T) {
				u := storage.UID(rapid.Uint32Range(0, 20).Draw(t, "uid"))
				list, plain = list.Above(u), slices.DeleteFunc(slices.Clone(plain), func(v storage.UID) bool { return v <= u })
			},
			"append to one kept": func(t *rapid.T) {
				if len(older) == 0 {
					t.Skip()
				}
				k := &older[rapid.IntRange(0, len(older)-1).Draw(t, "which")]
				u := k.list.Last() + 2
				k.list, k.plain = k.list.Append(u), append(slices.Clip(k.plain), u)
			},
			"keep": func(*rapid.T) { older = append(older, kept{list.Share(), plain}) },
			"": func(t *rapid.T) {
				equal(t, list, plain)
				for _, k := range older {
					equal(t, k.list, k.plain)
				}
				for u := range storage.UID(65) {
					i, ok := list.Find(u)
					if at, has := slices.BinarySearch(plain, u); i != at || ok != has || list.Has(u) != has {
						t.Fatalf("find %d in %v: got %d, %v", u, plain, i, ok)
					}
				}
				for i, u := range plain {
					if list.At(i) != u {
						t.Fatalf("at %d of %v: got %d", i, plain, list.At(i))
					}
				}
				set := drawSet(t)
				want := 0
				for u := range set.All() {
					if slices.Contains(plain, u) {
						want++
					}
				}
				if got := list.Count(set); got != want {
					t.Fatalf("count of %v in %v: got %d, want %d", set, plain, got, want)
				}
				if len(plain) > 0 && (list.First() != plain[0] || list.Last() != plain[len(plain)-1]) {
					t.Fatalf("ends of %v: got %d, %d", plain, list.First(), list.Last())
				}
			},
		})
	})
}

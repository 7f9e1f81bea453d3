#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Who did what with a set stands on the medium, signed and chained: by export, verify and import, in
# a sealed set as in a plaintext one. A change is told and has its exit status; whoever is cut short,
# read-only or full does not cost the work that is done.
. "${0%/*}/lib.sh"
two_sites
make_site "$tmp/courier" courier
caddy=$tmp/caddy
make_medium "$caddy"
make_disk "$tmp/web01.img" 1M
make_disk "$tmp/db01.img" 500000 2

chain() { # what media show says of it: who:what:verdict, in order
	vmseed -q --home "${1:-$hq}" media show --json "$caddy" | json \
		'" ".join(":".join([e["signer"], e["action"], e["verdict"]]) if "signer" in e
		else e["standing"] for s in d["sets"] for e in s["custody"]["entries"])'
}
broken_at() {
	vmseed -q --home "$hq" media show --json "$caddy" |
		json 'd["sets"][0]["custody"]["broken_at"]'
}

run vmseed --home "$hq" export -n --media "$caddy" --for dr "web01=$tmp/web01.img"
run vmseed --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img"
[ "$(chain)" = 'hq:prepared:ok hq:exported:ok' ] || fail "after the export: $(chain)"
custody=$(echo "$caddy"/vmseed/*/custody)
run vmseed --home "$dr" verify --media "$caddy"
run vmseed --home "$dr" import -n --media "$caddy"
run vmseed --home "$dr" import --media "$caddy"
run vmseed --home "$dr" import --media "$caddy"
all='hq:prepared:ok hq:exported:ok dr:verified:ok dr:imported:ok'
[ "$(chain)" = "$all" ] || fail "after the import: $(chain)"
[ "$(chain "$dr")" = "$all" ] || fail "as dr sees it: $(chain "$dr")"
says 'dr +imported +ok +1 +1 +ok' vmseed --home "$hq" media show "$caddy"

# Nothing there is called by a VM's name, and other programs can check it.
if grep -rq web01 "$custody"; then fail 'custody names a VM'; fi
if minisign -v >/dev/null 2>&1; then
	key=$(vmseed --home "$dr" key list --json | json "d['sites'][0]['key']")
	run minisign -Vm "$custody/00000004.json" -P "$key"
fi
[ "$(json "d['previous']" <"$custody/00000004.json")" = \
	"$(sha256sum <"$custody/00000003.json" | cut -d' ' -f1)" ] || fail 'the link is another digest'

# A run that did some says so; a second set has a chain of its own.
fails_with 3 'none' vmseed --home "$hq" export --media "$caddy" --for dr "db01=$tmp/db01.img" \
	"none=$tmp/none.img"
[ "$(chain)" = "$all hq:exported:partial" ] || fail "after half an export: $(chain)"
run vmseed --home "$hq" export --media "$caddy" --plaintext "db01=$tmp/db01.img"
case "$(chain)" in
*'hq:prepared:ok hq:exported:ok'*'hq:prepared:ok hq:exported:ok'*) ;;
*) fail "two sets: $(chain)" ;;
esac
rm -r "$(dirname "$(grep -l '"sealed": false' "$caddy"/vmseed/*/volume.json)")"

# A courier whom hq does not trust, and who trusts hq: ciphertext alone, and its entry is not read.
vmseed -q --home "$hq" key card >"$tmp/hq.card"
print=$(vmseed --home "$hq" key card --json | json 'd["fingerprint"]')
run vmseed --home "$tmp/courier" key trust "$tmp/hq.card" --fingerprint "$print"
run vmseed --home "$tmp/courier" verify --media "$caddy"
[ "$(chain)" = "$all hq:exported:partial untrusted" ] || fail "a stranger's entry: $(chain)"
case "$(chain "$tmp/courier")" in
*courier:verified:ciphertext) ;;
*) fail "as the courier sees it: $(chain "$tmp/courier")" ;;
esac
if vmseed --home "$hq" media show --json "$caddy" | grep -q courier; then
	fail 'what a stranger wrote is shown'
fi
says 'not trusted here' vmseed --home "$dr" verify --media "$caddy"
[ "$(broken_at)" = null ] || fail 'the chain is broken by a stranger'

# A flipped byte: exit 5 where it is signed, and the link behind it is broken too.
flip_byte "$custody/00000003.json" 200
fails_with 5 'custody entry 3: .*signature' vmseed --home "$dr" verify --media "$caddy"
grep -q 'custody entry 4: does not follow' "$tmp/err" || fail 'the broken link is not said'
says 'broken at entry 3' vmseed --home "$hq" media show "$caddy"
[ "$(broken_at)" = 3 ] || fail "broken at $(broken_at)"
flip_byte "$custody/00000003.json" 200
# verify said what it found: that stands there from now on.
case "$(chain)" in *dr:verified:damaged) ;; *) fail "after damage: $(chain)" ;; esac

# One that is taken out, and a signature that is taken away: exit 4, the link.
mkdir "$tmp/kept"
mv "$custody"/00000002.json* "$tmp/kept"
fails_with 4 'custody entry 3: does not follow' vmseed --home "$dr" verify --media "$caddy"
mv "$tmp/kept/00000002.json" "$custody"
fails_with 4 'custody entry 3: does not follow' vmseed --home "$dr" verify --media "$caddy"
mv "$tmp/kept"/* "$custody"
run vmseed --home "$dr" verify --media "$caddy"

# A writer that was cut short: passed by with a warning, the next number is used.
last=$(find "$custody" -name '*.json' | sort | tail -n 1)
rm "$last.minisig"
says 'passed by' vmseed --home "$dr" verify --media "$caddy"
[ "$(find "$custody" -name '*.json' | sort | tail -n 1)" != "$last" ] || fail 'no next number'
run vmseed --home "$dr" verify --media "$caddy"
[ "$(broken_at)" = null ] || fail 'a torn entry breaks the chain'

# No more than so many entries: said, and the work is done; the home keeps it.
touch "$custody/99999999.json"
says 'no number left' vmseed --home "$dr" verify --media "$caddy"
set=$(basename "$(dirname "$custody")")
[ "$(wc -l <"$dr/custody/$set.chain")" = 1 ] || fail 'the home did not keep the entry'
run vmseed --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img"
grep -q "custody is kept in the home (custody/$set.chain)" "$tmp/err" || fail 'it is not said where'
rm "$custody/99999999.json"

# Something in its place, links that lead elsewhere: neither followed nor in the way.
mv "$custody" "$tmp/custody"
mkdir "$tmp/elsewhere"
ln -s "$tmp/elsewhere" "$custody"
run vmseed --home "$hq" export --media "$caddy" --for dr "web01=$tmp/web01.img"
[ -z "$(ls -A "$tmp/elsewhere")" ] || fail 'a link was followed'
fails_with 4 'custody' vmseed --home "$dr" verify --media "$caddy"
rm "$custody"
mv "$tmp/custody" "$custody"
run vmseed --home "$dr" import --media "$caddy"
cmp "$tmp/web01.img" "$(replica_disk "$dr" web01 vda)"

package tlsfile_test

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/corsgate/corsgate/server/tlsfile"
	"github.com/corsgate/corsgate/server/tlsfile/tlstest"
)

// TestAClientsCertificateIsReadAgain replaces it by another one.
func TestAClientsCertificateIsReadAgain(t *testing.T) {
	dir, ca := t.TempDir(), tlstest.New(t)
	f := tlsfile.ClientFiles{CA: ca.WriteCA(t, filepath.Join(dir, "ca.pem")), Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	ca.Write(t, f.Cert, f.Key, "one")
	c, err := f.Config()
	if err != nil || !c.RootCAs.Equal(ca.Pool()) {
		t.Fatalf("Config: %+v, %v, want the authority", c, err)
	}
	get := func() []byte {
		pair, err := c.GetClientCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		return pair.Certificate[0]
	}
	first := get()
	ca.Write(t, f.Cert, f.Key, "two")
	if bytes.Equal(get(), first) {
		t.Error("the old certificate is presented")
	}
	none, err := tlsfile.ClientFiles{}.Config()
	if err != nil || none.RootCAs != nil || none.GetClientCertificate != nil {
		t.Errorf("Config without files: %+v, %v", none, err)
	}
}

"""Body parts (PS3.16 annex L, table L-1): the code of each, and whether there are two of it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class BodyPart(NamedTuple):
    """A body part as SNOMED CT calls it."""

    code: str
    meaning: str
    paired: bool = False


_SINGLE = {
    "ABDOMEN": ("818981001", "Abdomen"),
    "ABDOMENPELVIS": ("818982008", "Abdomen and Pelvis"),
    "AORTA": ("15825003", "Aorta"),
    "BILEDUCT": ("28273000", "Bile duct"),
    "BLADDER": ("89837001", "Bladder"),
    "BRAIN": ("12738006", "Brain"),
    "CERVIX": ("71252005", "Cervix"),
    "CHEST": ("816094009", "Chest"),
    "CHESTABDOMEN": ("416550000", "Chest and Abdomen"),
    "CHESTABDPELVIS": ("416775004", "Chest, Abdomen and Pelvis"),
    "COCCYX": ("64688005", "Coccyx"),
    "COLON": ("71854001", "Colon"),
    "CSPINE": ("122494005", "Cervical spine"),
    "CTSPINE": ("1217257000", "Cervico-thoracic spine"),
    "DUODENUM": ("38848004", "Duodenum"),
    "ESOPHAGUS": ("32849002", "Esophagus"),
    "FACE": ("89545001", "Face"),
    "GALLBLADDER": ("28231008", "Gallbladder"),
    "HEAD": ("69536005", "Head"),
    "HEADNECK": ("774007", "Head and Neck"),
    "HEART": ("80891009", "Heart"),
    "JAW": ("661005", "Jaw region"),
    "LARYNX": ("4596009", "Larynx"),
    "LIVER": ("10200004", "Liver"),
    "LSPINE": ("122496007", "Lumbar spine"),
    "LSSPINE": ("1217253001", "Lumbo-sacral spine"),
    "MEDIASTINUM": ("72410000", "Mediastinum"),
    "NECK": ("45048000", "Neck"),
    "NECKCHEST": ("417437006", "Neck and Chest"),
    "PANCREAS": ("15776009", "Pancreas"),
    "PELVIS": ("816092008", "Pelvis"),
    "PELVISLOWEXTREMT": ("1231522001", "Pelvis and lower extremities"),
    "PENIS": ("18911002", "Penis"),
    "PHARYNX": ("54066008", "Pharynx"),
    "PROSTATE": ("41216001", "Prostate"),
    "RECTUM": ("34402009", "Rectum"),
    "RETROPERITONEUM": ("82849001", "Retroperitoneum"),
    "SCROTUM": ("20233005", "Scrotum"),
    "SELLA": ("42575006", "Sella turcica"),
    "SKULL": ("89546000", "Skull"),
    "SPINE": ("421060004", "Spine"),
    "SPLEEN": ("78961009", "Spleen"),
    "SSPINE": ("54735007", "Sacrum"),
    "STERNUM": ("56873002", "Sternum"),
    "STOMACH": ("69695003", "Stomach"),
    "THYROID": ("69748006", "Thyroid"),
    "TLSPINE": ("1217256009", "Thoraco-lumbar spine"),
    "TONGUE": ("21974007", "Tongue"),
    "TRACHEA": ("44567001", "Trachea"),
    "TSPINE": ("122495006", "Thoracic spine"),
    "URETHRA": ("13648007", "Urethra"),
    "UTERUS": ("35039007", "Uterus"),
    "VAGINA": ("76784001", "Vagina"),
    "WHOLEBODY": ("38266002", "Entire body"),
}

_PAIRED = {
    "ACJOINT": ("85856004", "Acromioclavicular joint"),
    "ADRENAL": ("23451007", "Adrenal gland"),
    "ANKLE": ("70258002", "Ankle joint"),
    "AXILLA": ("91470000", "Axilla"),
    "BREAST": ("76752008", "Breast"),
    "CALCANEUS": ("80144004", "Calcaneus"),
    "CALF": ("53840002", "Calf of leg"),
    "CAROTID": ("69105007", "Carotid Artery"),
    "CLAVICLE": ("51299004", "Clavicle"),
    "EAR": ("117590005", "Ear"),
    "ELBOW": ("16953009", "Elbow joint"),
    "EXTREMITY": ("66019005", "Extremity"),
    "EYE": ("81745001", "Eye"),
    "FEMUR": ("71341001", "Femur"),
    "FINGER": ("7569003", "Finger"),
    "FOOT": ("56459004", "Foot"),
    "FOREARM": ("14975008", "Forearm"),
    "HAND": ("85562004", "Hand"),
    "HIP": ("24136001", "Hip joint"),
    "HUMERUS": ("85050009", "Humerus"),
    "IAC": ("361078006", "Internal Auditory Canal"),
    "ILIUM": ("22356005", "Ilium"),
    "KIDNEY": ("64033007", "Kidney"),
    "KNEE": ("72696002", "Knee"),
    "LOWERLEG": ("30021000", "Lower leg"),
    "LOWERLIMB": ("61685007", "Lower limb"),
    "LUNG": ("39607008", "Lung"),
    "OPTICCANAL": ("55024004", "Optic canal"),
    "ORBIT": ("363654007", "Orbital structure"),
    "OVARY": ("15497006", "Ovary"),
    "PAROTID": ("45289007", "Parotid gland"),
    "PATELLA": ("64234005", "Patella"),
    "RADIUS": ("62413002", "Radius"),
    "RADIUSULNA": ("110535000", "Radius and ulna"),
    "RIB": ("113197003", "Rib"),
    "SCAPULA": ("79601000", "Scapula"),
    "SHOULDER": ("16982005", "Shoulder"),
    "SIJOINT": ("39723000", "Sacroiliac joint"),
    "SUBMANDIBULAR": ("54019009", "Submandibular gland"),
    "TESTIS": ("40689003", "Testis"),
    "THIGH": ("68367000", "Thigh"),
    "THUMB": ("76505004", "Thumb"),
    "THYMUS": ("9875009", "Thymus"),
    "TIBIAFIBULA": ("110536004", "Tibia and fibula"),
    "TMJ": ("53620006", "Temporomandibular joint"),
    "TOE": ("29707007", "Toe"),
    "ULNA": ("23416004", "Ulna"),
    "UPPERARM": ("40983000", "Upper arm"),
    "UPPERLIMB": ("53120007", "Upper limb"),
    "WRIST": ("74670003", "Wrist joint"),
    "ZYGOMA": ("13881006", "Zygoma"),
}

BODY_PARTS: Mapping[str, BodyPart] = MappingProxyType(
    {
        **{part: BodyPart(*coded) for part, coded in _SINGLE.items()},
        **{part: BodyPart(*coded, paired=True) for part, coded in _PAIRED.items()},
    }
)
"""By Body Part Examined; of what is not here it is not known whether it is paired."""

SOMEWHERE = BodyPart("123037004", "Body structure")
"""The code that claims nothing, where an Enhanced object must name a region and the scan did not."""
